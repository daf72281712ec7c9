#pragma once
// Our own: a whole folder as a tar archive, down and up.
//
//   GET  /matrx/archive?path=&username=&skip_unreadable=true   → application/x-tar, in pieces
//   PUT  /matrx/archive?path=&username=&outside_links=true     ← tar, also with gzip around it
//                                                              → {"entries": n, "bytes": n}
//
// Errors are {"code": status, "message"}. A download that fails on the way breaks off. What an
// upload has written before it failed stays, file by file whole.

#include "agent/sandbox_settings.hpp"
#include "agent/user_work.hpp"
#include "http/message.hpp"

namespace matrx::agent {

class ArchiveService {
 public:
  ArchiveService(UserWork& work, const Users& users, const SandboxSettings& settings)
      : work_(work), users_(users), settings_(settings) {}

  Task<http::Response> handle(http::Request& request);

 private:
  Task<http::Response> download(const http::Request& request, User user, std::string path);
  Task<http::Response> upload(http::Request& request, User user, std::string path);

  UserWork& work_;
  const Users& users_;
  const SandboxSettings& settings_;
};

}  // namespace matrx::agent
