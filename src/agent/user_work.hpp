#pragma once
// Blocking work on files, with the rights of a user: on a worker thread that takes his file system
// ids and groups for as long as it lasts. So the kernel checks each step of a path as if he did it
// himself, and there is nothing that he could rearrange between a check and a use.

#include <utility>

#include "agent/file_error.hpp"
#include "agent/users.hpp"
#include "async/offload.hpp"

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
    auto work = [user = std::move(user),
                 function = std::move(function)]() mutable -> std::invoke_result_t<F&> {
      const Identity identity(user);
      if (!identity.taken()) {
        return file_fail(FileError::Kind::forbidden,
                         "The agent may not act as '" + user.name + "': it is not root.");
      }
      return function();
    };
    co_return co_await offload(pool_, std::move(work));
  }

  // The same as ourselves: for what is no file of a user, or is open already.
  template <class F>
  Task<std::invoke_result_t<F&>> run(F function) {
    co_return co_await offload(pool_, std::move(function));
  }

 private:
  asio::thread_pool pool_;
};

}  // namespace matrx::agent
