#pragma once
// One resident `rclone rcd` and calls to it. Started when it is first needed, and again when it has
// ended. Whoever reaches its port owns it, so it listens on loopback only, and takes a password
// that is made for each start; nothing secret is in its arguments.
//
// Its calls: https://rclone.org/rc/

#include <memory>
#include <string>

#include "async/turns.hpp"
#include "base/child_process.hpp"
#include "base/random.hpp"
#include "http/client.hpp"
#include "wire/json.hpp"

namespace matrx::rclone {

struct DaemonSettings {
  std::string program = "rclone";
  std::string folder;  // for its configuration and its cache; ours alone
  std::string region;
  std::string endpoint;  // AWS_ENDPOINT_URL_S3; empty: AWS itself
};

inline constexpr const char* kNotInstalled =
    "rclone is not installed; it moves the files to the bucket: apt-get install rclone";

class Daemon {
 public:
  Daemon(DaemonSettings settings, Clock& clock);
  ~Daemon();  // ends the process

  bool is_installed() const;

  // Starts it where it does not run. unavailable: rclone is missing, or does not start.
  Task<Result<void>> start();

  // A call and its answer. unavailable: rclone or the store did not do it, or not in time; the
  // private words are rclone's. not_found: no such bucket, folder or object.
  Task<Result<json::object>> call(std::string name, json::object parameters, milliseconds deadline);

  // The answer as it came, where reading it would hold up this thread.
  Task<Result<std::string>> ask(std::string name, json::object parameters, milliseconds deadline);

  // A call that moves files, for as long as it takes while something moves. timeout: nothing has
  // moved for kObjectStandstill; rclone has given it up then.
  Task<Result<json::object>> transfer(std::string name, json::object parameters);

  // Bytes of an object. not_found.
  Task<Result<std::string>> read(std::string bucket_and_key, std::int64_t offset,
                                 std::size_t bytes_max, milliseconds deadline);

  std::string cache_folder() const { return settings_.folder + "/cache"; }

  // Counts its starts: a new number means that whatever it held (mounts) is gone.
  std::uint64_t life() const { return life_; }

  // What it has complained of since the last call, line by line; some may be lost in a flood.
  std::vector<std::string> take_complaints();

 private:
  Result<void> spawn();
  bool is_running();
  std::string complaints_file() const;
  void limit_complaints();
  Task<Result<void>> wait_until_it_answers();
  Task<void> wait_for_standstill(std::string group);
  Task<Result<http::ClientResponse>> send(http::ClientRequest request);
  Result<std::string> write_configuration() const;

  DaemonSettings settings_;
  Clock& clock_;
  SystemRandom random_;
  std::string authorization_;
  std::shared_ptr<http::Client> client_;
  ChildProcess process_;
  std::uint64_t life_ = 0;
  std::size_t complaints_read_ = 0;  // bytes of the file
  std::uint64_t transfers_ = 0;
  milliseconds next_start_at_{0};  // of the clock's uptime
  Slots starting_{1};
};

}  // namespace matrx::rclone
