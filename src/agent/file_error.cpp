#include "agent/file_error.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include "agent/connect_call.hpp"
#include "base/text.hpp"
#include "wire/connect_envelope.hpp"
#include "wire/guest_messages.hpp"

namespace matrx::agent {
namespace {

using Kind = FileError::Kind;

struct Row {
  Kind kind;
  std::string_view connect_code;
  int connect_status;
  int plain_status;
};

constexpr std::array<Row, 10> kRows = {{
    {Kind::not_found, "not_found", 404, 404},
    {Kind::exists, "already_exists", 409, 409},
    {Kind::wrong_type, "invalid_argument", 400, 400},
    {Kind::forbidden, "permission_denied", 403, 403},
    {Kind::invalid, "invalid_argument", 400, 400},
    {Kind::no_space, "resource_exhausted", 429, 507},
    {Kind::busy, "failed_precondition", 400, 409},
    {Kind::exhausted, "resource_exhausted", 429, 429},
    {Kind::unknown_user, "unauthenticated", 401, 401},
    {Kind::internal, "internal", 500, 500},
}};

const Row& row_of(Kind kind) {
  for (const Row& row : kRows) {
    if (row.kind == kind) return row;
  }
  return kRows.back();
}

Kind kind_of(int error) {
  switch (error) {
    case ENOENT:
      return Kind::not_found;
    case EEXIST:
      return Kind::exists;
    case ENOTDIR:
    case EISDIR:
      return Kind::wrong_type;
    case EACCES:
    case EPERM:
    case EROFS:
      return Kind::forbidden;
    case ENAMETOOLONG:
    case ELOOP:
    case EINVAL:
    case EILSEQ:
      return Kind::invalid;
    case ENOSPC:
    case EDQUOT:
      return Kind::no_space;
    case EBUSY:
    case ETXTBSY:
    case ENOTEMPTY:
    case EXDEV:
      return Kind::busy;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return Kind::exhausted;
    default:
      return Kind::internal;
  }
}

}  // namespace

std::unexpected<FileError> file_fail(int error, std::string_view path) {
  const Kind kind = kind_of(error);
  const char* why = kind == Kind::no_space ? "no space is left" : strerror(error);
  return file_fail(kind, "'" + to_valid_utf8(std::string(path)) + "': " + why + ".");
}

http::Response connect_error(const FileError& error) {
  const Row& row = row_of(error.kind);
  if (error.kind != Kind::no_space) {
    return connect_error(row.connect_status, row.connect_code, error.message);
  }
  http::Response response = json_answer(
      {{"code", row.connect_code}, {"message", error.message}, {"reason", guest::kNoSpaceReason}});
  response.status = row.connect_status;
  return response;
}

std::string end_envelope(const FileError& error) {
  const json::object content{{"code", row_of(error.kind).connect_code}, {"message", error.message}};
  return encode_envelope(ConnectEnvelope::kEndOfStream,
                         json::serialize(json::object{{"error", content}}));
}

http::Response plain_error(const FileError& error) {
  return plain_error(row_of(error.kind).plain_status, error.message);
}

http::Response plain_error(int status, std::string_view message) {
  http::Response response = json_answer({{"code", status}, {"message", message}});
  response.status = status;
  return response;
}

}  // namespace matrx::agent
