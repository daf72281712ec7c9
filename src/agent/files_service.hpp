#pragma once
// GET and POST /files: single files, streamed both ways with constant memory and the rights of the
// user. client-contracts.md §1.9.

#include <memory>

#include "agent/sandbox_settings.hpp"
#include "agent/upload.hpp"
#include "agent/user_work.hpp"
#include "http/message.hpp"
#include "wire/json.hpp"

namespace matrx::agent {

class FilesService {
 public:
  FilesService(UserWork& work, const Users& users, const SandboxSettings& settings)
      : work_(work), users_(users), settings_(settings) {}

  // GET, HEAD, POST; the caller has checked that it may.
  Task<http::Response> handle(http::Request& request);

 private:
  Task<http::Response> download(const http::Request& request);
  Task<FileResult<json::array>> upload(http::Request& request, User user);

  UserWork& work_;
  const Users& users_;
  const SandboxSettings& settings_;
};

}  // namespace matrx::agent
