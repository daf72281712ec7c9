#pragma once
// A program that runs for us. It ends with us, also where we are killed.

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace matrx {

// Where a program is: as it was named where that has a '/', otherwise by PATH. Empty: nowhere.
std::string find_program(const std::string& name);

// Our environment without our own settings, which hold other secrets, and without what begins with
// one of `unwanted`; and with what is added ("NAME=value").
std::vector<std::string> child_environment(const std::vector<std::string_view>& unwanted,
                                           const std::vector<std::string>& added);

class ChildProcess {
 public:
  ChildProcess() = default;
  ChildProcess(ChildProcess&& other) noexcept
      : pid_(std::exchange(other.pid_, 0)), status_(other.status_) {}
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess() { end(std::chrono::milliseconds(0)); }

  // arguments: the program's path first. errors_to, output_to: files that get its standard error
  // and output, empty at first; nothing: nobody hears it. Call it on a thread that lives as long:
  // the child ends with its thread.
  Result<void> start(std::vector<std::string> arguments, std::vector<std::string> environment,
                     const std::string& errors_to = {}, const std::string& output_to = {});

  bool is_running();
  int pid() const { return pid_; }  // 0: it does not run
  int status() const { return status_; }

  // Asks it to end, kills it after that while. Blocks meanwhile.
  void end(std::chrono::milliseconds patience);

 private:
  int pid_ = 0;
  int status_ = 0;  // of the last one that ended, as waitpid() tells it
};

}  // namespace matrx
