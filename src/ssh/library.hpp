#pragma once
// libssh's handles with owners.

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>

#include <memory>

namespace matrx::ssh {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* handle) const {
    Free(handle);
  }
};

using SessionHandle = std::unique_ptr<ssh_session_struct, Freer<ssh_free>>;
using BindHandle = std::unique_ptr<ssh_bind_struct, Freer<ssh_bind_free>>;
using EventHandle = std::unique_ptr<ssh_event_struct, Freer<ssh_event_free>>;
using KeyHandle = std::unique_ptr<ssh_key_struct, Freer<ssh_key_free>>;
using TextHandle = std::unique_ptr<char, Freer<ssh_string_free_char>>;

}  // namespace matrx::ssh
