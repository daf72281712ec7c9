#pragma once
// A file on its way out.

#include <memory>
#include <optional>
#include <string>

#include "agent/user_work.hpp"
#include "base/descriptor.hpp"
#include "http/message.hpp"

namespace matrx::agent {

struct OpenFile {
  Descriptor descriptor;
  std::uint64_t size = 0;
  std::string tag;  // changes with the content: an ETag with its quotes
};

// For reading; never waits for what is no regular file. wrong_type: a folder, a device, a pipe.
FileResult<OpenFile> open_for_reading(const std::string& path);

// The answer to a GET: the whole, or the part that Range asks for; packed where the client takes
// nothing else.
http::Response download_response(UserWork& work, OpenFile file, const std::string& path,
                                 const http::Request& request);

}  // namespace matrx::agent
