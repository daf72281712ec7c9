#include "agent/files_service.hpp"

#include <cerrno>

#include "agent/connect_call.hpp"
#include "agent/download.hpp"
#include "agent/file_entry.hpp"
#include "agent/limits.hpp"
#include "agent/plain_body.hpp"
#include "base/text.hpp"
#include "wire/multipart.hpp"

namespace matrx::agent {
namespace {

using Kind = FileError::Kind;

FileError not_understood(const Error& error) { return {Kind::invalid, error.message}; }

// X-Metadata-<key>: value
Pairs metadata_of(const http::Request& request) {
  constexpr std::string_view kPrefix = "x-metadata-";
  Pairs metadata;
  for (const auto& line : request.headers.lines()) {
    const std::string name = to_lower(line.name);
    const bool is_one = name.starts_with(kPrefix) && name.size() > kPrefix.size();
    if (is_one && metadata.size() < kMetadataMax) {
      metadata.emplace_back(name.substr(kPrefix.size()), line.value);
    }
  }
  return metadata;
}

// Files of one request, one after the other. Bytes are gathered, so that the worker thread is
// asked once for each kFilePieceBytes.
class Receiver {
 public:
  Receiver(UserWork& work, User user, Pairs metadata)
      : work_(work), user_(std::move(user)), metadata_(std::move(metadata)) {}

  Task<FileResult<void>> begin(std::string_view path) {
    CO_TRY(resolved, resolve_path(user_, path));
    if (path.ends_with('/')) {
      co_return file_fail(Kind::wrong_type, "'" + resolved + "' is to be a file, not a folder.");
    }
    struct Begun {
      std::shared_ptr<Upload> upload;
      bool attributes = true;
    };
    auto open = [resolved = resolved, metadata = metadata_]() -> FileResult<Begun> {
      TRY(upload, Upload::begin(resolved));
      Begun begun{.upload = std::make_shared<Upload>(std::move(upload))};
      for (const auto& [name, value] : metadata) {
        TRY(kept, begun.upload->set_attribute(std::string(kMetadataPrefix) + name, value));
        begun.attributes = begun.attributes && kept;
      }
      return begun;
    };
    CO_TRY(begun, co_await work_.run(user_, std::move(open)));
    upload_ = std::move(begun.upload);
    if (!begun.attributes) metadata_.clear();  // the answer tells what was kept
    co_return FileResult<void>();
  }

  Task<FileResult<void>> take(std::string_view bytes) {
    pending_ += bytes;
    if (pending_.size() < kFilePieceBytes) co_return FileResult<void>();
    co_return co_await flush(false);
  }

  Task<FileResult<void>> finish() {
    const std::string path = upload_->path();
    CO_CHECK(co_await flush(true));
    json::object told{{"path", to_valid_utf8(path)},
                      {"name", to_valid_utf8(path.substr(path.rfind('/') + 1))},
                      {"type", "file"}};
    if (!metadata_.empty()) {
      json::object metadata;
      for (const auto& [name, value] : metadata_) metadata[name] = to_valid_utf8(value);
      told["metadata"] = std::move(metadata);
    }
    done_.push_back(std::move(told));
    co_return FileResult<void>();
  }

  // Nothing of an unfinished file stays: as the user, whose folder it is in.
  Task<void> give_up() {
    if (!upload_) co_return;
    auto drop = [upload = std::exchange(upload_, nullptr)]() -> FileResult<bool> {
      upload->drop();
      return true;
    };
    (void)co_await work_.run(user_, std::move(drop));
  }

  bool in_a_file() const { return upload_ != nullptr; }
  json::array& done() { return done_; }

 private:
  Task<FileResult<void>> flush(bool last) {
    // Two buffers take turns: a new one each time would be new memory from the kernel.
    std::swap(pending_, *writing_);
    pending_.clear();
    auto write = [upload = upload_, bytes = writing_, last]() -> FileResult<bool> {
      CHECK_OK(upload->write(*bytes));
      if (last) CHECK_OK(upload->finish());
      return true;
    };
    CO_CHECK(co_await work_.run(user_, std::move(write)));
    if (last) upload_.reset();
    co_return FileResult<void>();
  }

  UserWork& work_;
  User user_;
  Pairs metadata_;
  std::shared_ptr<Upload> upload_;
  std::string pending_;
  std::shared_ptr<std::string> writing_ = std::make_shared<std::string>();
  json::array done_;
};

Task<FileResult<void>> receive_one(PlainBody& body, Receiver& receiver, std::string path) {
  CO_CHECK(co_await receiver.begin(path));
  for (;;) {
    const auto piece = co_await body.read_some();
    if (!piece) co_return std::unexpected(not_understood(piece.error()));
    if (piece->empty()) break;
    CO_CHECK(co_await receiver.take(*piece));
  }
  co_return co_await receiver.finish();
}

// Each part named "file" is one; its file name is the whole path, unless the query has one.
Task<FileResult<void>> receive_part(const MultipartEvent& event, Receiver& receiver,
                                    const std::optional<std::string>& path) {
  using EventKind = MultipartEvent::Kind;
  if (event.kind == EventKind::data && receiver.in_a_file()) {
    co_return co_await receiver.take(event.bytes);
  }
  if (event.kind == EventKind::part_end && receiver.in_a_file()) {
    co_return co_await receiver.finish();
  }
  if (event.kind != EventKind::part || event.name != "file") co_return FileResult<void>();
  if (path && !receiver.done().empty()) {
    co_return file_fail(Kind::invalid, "With a path in the URL there can be one file only.");
  }
  const std::string target = path ? *path : event.filename.value_or("");
  if (target.empty()) co_return file_fail(Kind::invalid, "A file has no name.");
  co_return co_await receiver.begin(target);
}

Task<FileResult<void>> receive_parts(PlainBody& body, Receiver& receiver, std::string boundary,
                                     std::optional<std::string> path) {
  MultipartDecoder decoder(boundary);
  for (;;) {
    const auto piece = co_await body.read_some();
    if (!piece) co_return std::unexpected(not_understood(piece.error()));
    if (piece->empty()) co_return file_fail(Kind::invalid, "The multipart body has no end.");
    decoder.append(*piece);
    for (;;) {
      const auto event = decoder.next();
      if (!event) co_return std::unexpected(not_understood(event.error()));
      const std::optional<MultipartEvent>& found = *event;
      if (!found) break;
      if (found->kind == MultipartEvent::Kind::end) {
        // What follows says nothing, but the client is still sending it.
        while (true) {
          const auto rest = co_await body.read_some();
          if (!rest) co_return std::unexpected(not_understood(rest.error()));
          if (rest->empty()) co_return FileResult<void>();
        }
      }
      CO_CHECK(co_await receive_part(*found, receiver, path));
    }
  }
}

}  // namespace

Task<http::Response> FilesService::handle(http::Request& request) {
  if (request.method != http::Method::post) co_return co_await download(request);
  const std::string named = request.query_value("username").value_or("");
  auto user = users_.find(named.empty() ? settings_.default_user : named);
  if (!user) co_return plain_error(401, user.error().message);
  const auto done = co_await upload(request, *std::move(user));
  if (!done) co_return plain_error(done.error());
  http::Response response;
  response.headers.add("Content-Type", "application/json");
  response.body = json::serialize(*done);
  co_return response;
}

Task<http::Response> FilesService::download(const http::Request& request) {
  const std::string named = request.query_value("username").value_or("");
  auto user = users_.find(named.empty() ? settings_.default_user : named);
  if (!user) co_return plain_error(401, user.error().message);
  const auto path = resolve_path(*user, request.query_value("path").value_or(""));
  if (!path) co_return plain_error(path.error());
  auto open = [path = *path] { return open_for_reading(path); };
  auto file = co_await work_.run(*std::move(user), std::move(open));
  if (!file) co_return plain_error(file.error());
  co_return download_response(work_, *std::move(file), *path, request);
}

Task<FileResult<json::array>> FilesService::upload(http::Request& request, User user) {
  auto made = PlainBody::make(request);
  if (!made) co_return std::unexpected(not_understood(made.error()));
  PlainBody& body = *made;
  Receiver receiver(work_, std::move(user), metadata_of(request));
  const auto path = request.query_value("path");
  const auto type = request.headers.get("Content-Type");
  FileResult<void> received;
  if (auto boundary = multipart_boundary(type)) {
    received = co_await receive_parts(body, receiver, *std::move(boundary), path);
  } else if (to_lower(type).starts_with("multipart/")) {
    received = file_fail(Kind::invalid, "The multipart body has no boundary.");
  } else if (!path || path->empty()) {
    received = file_fail(Kind::invalid, "The path is missing.");
  } else {
    received = co_await receive_one(body, receiver, *path);
  }
  co_await receiver.give_up();
  if (!received) co_return std::unexpected(std::move(received).error());
  if (receiver.done().empty()) co_return file_fail(Kind::invalid, "The request holds no file.");
  co_return std::move(receiver.done());
}

}  // namespace matrx::agent
