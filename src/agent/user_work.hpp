#pragma once
// Blocking work on files, with the rights of a user: on a worker thread that takes his file system
// ids and groups for as long as it lasts. So the kernel checks each step of a path as if he did it
// himself, and there is nothing that he could rearrange between a check and a use.

#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "agent/file_error.hpp"
#include "agent/users.hpp"
#include "async/task.hpp"

namespace matrx::agent {

// This thread acts as the user while it lives.
class Identity {
 public:
  explicit Identity(const User& user);
  ~Identity();
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

  // False: we are not allowed to become that user, and have stayed who we were.
  bool taken() const { return taken_; }

 private:
  bool changed_ = false;
  bool taken_ = true;
};

class UserWork {
 public:
  UserWork();

  // Runs the function, which answers FileResult<T>, and must own what it uses.
  template <class F>
  Task<std::invoke_result_t<F&>> run(User user, F function) {
    // Shared: should the coroutine be gone before the work is done, the answer still has a place.
    auto answer = unanswered<F>();
    Work work = [answer, function = std::move(function)](const FileError* refusal) mutable {
      if (refusal != nullptr) {
        *answer = std::unexpected(*refusal);
      } else {
        *answer = function();
      }
    };
    co_await run_as(std::move(user), std::move(work));
    co_return std::move(*answer);
  }

  // The same as ourselves: for what is no file of a user, or is open already.
  template <class F>
  Task<std::invoke_result_t<F&>> run(F function) {
    auto answer = unanswered<F>();
    Work work = [answer, function = std::move(function)](const FileError*) mutable {
      *answer = function();
    };
    co_await run_as(std::nullopt, std::move(work));
    co_return std::move(*answer);
  }

 private:
  // One type for all work: what carries it to another thread is large, and so is there only once.
  using Work = std::move_only_function<void(const FileError* refusal)>;
  Task<void> run_as(std::optional<User> user, Work work);

  template <class F>
  static auto unanswered() {
    return std::make_shared<std::invoke_result_t<F&>>(
        file_fail(FileError::Kind::internal, "The work was not done."));
  }

  asio::thread_pool pool_;
};

}  // namespace matrx::agent
