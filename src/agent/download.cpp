#include "agent/download.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "agent/limits.hpp"
#include "base/text.hpp"
#include "wire/byte_range.hpp"
#include "wire/gzip.hpp"

namespace matrx::agent {
namespace {

using ErrorKind = FileError::Kind;
constexpr std::uint64_t kToTheEnd = std::numeric_limits<std::uint64_t>::max();

// Not through /proc/self/fd and the like: "self" would be the agent, with all that it has open.
Descriptor open_path(const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags);
  how.resolve = RESOLVE_NO_MAGICLINKS;
  Descriptor opened(
      static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
  const bool unknown = !opened && (errno == ENOSYS || errno == EPERM);
  return unknown ? Descriptor(::open(path.c_str(), flags)) : std::move(opened);
}

struct Transfer {
  std::shared_ptr<OpenFile> file;
  std::uint64_t first = 0, count = 0;
  bool pack = false;
};

// Pieces of the file; the reading is done by a worker thread, one piece in memory.
Task<void> send_file(http::BodyWriter& writer, UserWork& work, Transfer transfer) {
  auto piece = std::make_shared<std::string>();
  Gzip gzip;
  std::uint64_t at = transfer.first, left = transfer.count;
  while (left > 0) {
    auto read = [file = transfer.file, piece, at, left]() -> FileResult<std::size_t> {
      piece->resize(static_cast<std::size_t>(std::min<std::uint64_t>(left, kFilePieceBytes)));
      const ssize_t got =
          ::pread(file->descriptor.get(), piece->data(), piece->size(), static_cast<off_t>(at));
      if (got < 0) return file_fail(errno, "");
      piece->resize(static_cast<std::size_t>(got));
      return piece->size();
    };
    const auto got = co_await work.run(std::move(read));
    if (!got) co_return;   // what is missing breaks the connection
    if (*got == 0) break;  // the end, or it has become shorter meanwhile
    at += *got;
    left -= *got;
    const auto written = transfer.pack ? co_await writer.write(gzip.take(*piece, false))
                                       : co_await writer.write(*piece);
    if (!written) co_return;
  }
  if (transfer.pack) (void)co_await writer.write(gzip.take({}, true));
}

std::string quoted_name(const std::string& path) {
  std::string encoded;
  for (unsigned char c : path.substr(path.rfind('/') + 1)) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '.' || c == '-' || c == '_';
    if (plain) {
      encoded += static_cast<char>(c);
    } else {
      encoded += '%';
      encoded += "0123456789ABCDEF"[c / 16];
      encoded += "0123456789ABCDEF"[c % 16];
    }
  }
  return encoded;
}

RangeAnswer range_of(const http::Request& request, const OpenFile& file) {
  const auto condition = request.headers.get("If-Range");
  if (!condition.empty() && condition != file.tag) return {};
  return parse_range(request.headers.get("Range"), file.size);
}

}  // namespace

FileResult<OpenFile> open_for_reading(const std::string& path) {
  OpenFile file;
  file.descriptor = open_path(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (!file.descriptor) {
    if (errno == ENXIO)
      return file_fail(ErrorKind::wrong_type, "'" + path + "' is no regular file.");
    return file_fail(errno == ENOTDIR ? ENOENT : errno, path);
  }
  struct stat info{};
  if (::fstat(file.descriptor.get(), &info) != 0) return file_fail(errno, path);
  if (S_ISDIR(info.st_mode)) {
    return file_fail(ErrorKind::wrong_type, "'" + path + "' is a directory.");
  }
  if (!S_ISREG(info.st_mode)) {
    return file_fail(ErrorKind::wrong_type, "'" + path + "' is no regular file.");
  }
  file.size = static_cast<std::uint64_t>(info.st_size);
  file.tag = "\"" + std::to_string(info.st_mtim.tv_sec) + "." +
             std::to_string(info.st_mtim.tv_nsec) + "-" + std::to_string(info.st_size) + "\"";
  // Files of /proc say that they are empty.
  char byte = 0;
  if (file.size == 0 && ::pread(file.descriptor.get(), &byte, 1, 0) == 1) file.size = kToTheEnd;
  return file;
}

http::Response download_response(UserWork& work, OpenFile file, const std::string& path,
                                 const http::Request& request) {
  const auto accepted = parse_accept_encoding(request.headers.get("Accept-Encoding"));
  if (!accepted.identity && !accepted.gzip) {
    return plain_error(406, "The file can be sent as it is, or as gzip.");
  }
  http::Response response;
  response.headers.add("Content-Type", "application/octet-stream");
  response.headers.add("Content-Disposition", "inline; filename*=UTF-8''" + quoted_name(path));
  response.headers.add("ETag", file.tag);
  response.headers.add("Vary", "Accept-Encoding");
  Transfer transfer{.first = 0, .count = file.size, .pack = false};
  if (accepted.only_gzip || !accepted.identity) {
    transfer.pack = true;
    response.headers.add("Content-Encoding", "gzip");
  } else if (file.size != kToTheEnd) {
    response.headers.add("Accept-Ranges", "bytes");
    const RangeAnswer answer = range_of(request, file);
    const std::string size = std::to_string(file.size);
    if (answer.kind == RangeAnswer::Kind::unsatisfiable) {
      response = plain_error(416, "The file has " + size + " bytes.");
      response.headers.add("Content-Range", "bytes */" + size);
      return response;
    }
    if (answer.kind == RangeAnswer::Kind::part) {
      transfer.first = answer.range.first;
      transfer.count = answer.range.count;
      response.status = 206;
      response.headers.add("Content-Range",
                           "bytes " + std::to_string(transfer.first) + "-" +
                               std::to_string(transfer.first + transfer.count - 1) + "/" + size);
    }
    response.stream_bytes = transfer.count;
  }
  transfer.file = std::make_shared<OpenFile>(std::move(file));
  response.stream = [&work, transfer](http::BodyWriter& writer) {
    return send_file(writer, work, transfer);
  };
  return response;
}

}  // namespace matrx::agent
