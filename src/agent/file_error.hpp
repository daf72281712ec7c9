#pragma once
// What can go wrong with a file, and how each protocol says it.

#include <expected>
#include <string>
#include <string_view>

#include "http/message.hpp"

namespace matrx::agent {

struct FileError {
  enum class Kind {
    not_found,
    exists,
    wrong_type,  // a folder where a file is asked, a device, a file in the way of a folder
    forbidden,
    invalid,
    no_space,
    busy,       // something stands against it that may go away
    exhausted,  // one of our limits
    unknown_user,
    internal,
  };
  Kind kind = Kind::internal;
  std::string message;
};

template <class T = void>
using FileResult = std::expected<T, FileError>;

inline std::unexpected<FileError> file_fail(FileError::Kind kind, std::string message) {
  return std::unexpected(FileError{kind, std::move(message)});
}

// From an errno; the message names the path.
std::unexpected<FileError> file_fail(int error, std::string_view path);

// Over Connect: {"code": "not_found", …} with its status, and the same at the end of a stream.
http::Response connect_error(const FileError& error);
std::string end_envelope(const FileError& error);

// Of GET and POST /files: {"code": 404, "message": …}.
http::Response plain_error(const FileError& error);
http::Response plain_error(int status, std::string_view message);

}  // namespace matrx::agent
