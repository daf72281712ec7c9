#include "agent/archive_service.hpp"

#include "agent/archive_sink.hpp"
#include "agent/archive_source.hpp"
#include "agent/connect_call.hpp"
#include "agent/file_entry.hpp"
#include "agent/limits.hpp"
#include "agent/plain_body.hpp"
#include "base/log.hpp"

namespace matrx::agent {
namespace {

Task<void> send_archive(http::BodyWriter& writer, UserWork& work, User user,
                        std::shared_ptr<ArchiveSource> source, std::shared_ptr<bool> complete) {
  for (;;) {
    auto read = [source] { return source->next(); };
    const auto piece = co_await work.run(user, std::move(read));
    if (!piece) {
      log::warning("an archive breaks off", {{"error", piece.error().message}});
      co_return;
    }
    *complete = piece->empty();
    if (piece->empty() || !co_await writer.write(*piece)) co_return;
  }
}

// Bytes are gathered, so that the worker thread is asked once for each kFilePieceBytes.
Task<FileResult<void>> receive(UserWork& work, User user, PlainBody& body,
                               std::shared_ptr<ArchiveSink> sink) {
  for (bool ended = false; !ended;) {
    std::string bytes;
    while (bytes.size() < kFilePieceBytes && !ended) {
      const auto piece = co_await body.read_some();
      if (!piece) co_return file_fail(FileError::Kind::invalid, piece.error().message);
      ended = piece->empty();
      bytes += *piece;
    }
    auto take = [sink, bytes = std::move(bytes), ended]() -> FileResult<bool> {
      CHECK_OK(sink->take(bytes));
      if (ended) CHECK_OK(sink->finish());
      return true;
    };
    CO_CHECK(co_await work.run(user, std::move(take)));
  }
  co_return FileResult<void>();
}

bool is_set(const http::Request& request, std::string_view name) {
  return request.query_value(name) == "true";
}

}  // namespace

Task<http::Response> ArchiveService::handle(http::Request& request) {
  const std::string named = request.query_value("username").value_or("");
  auto user = users_.find(named.empty() ? settings_.default_user : named);
  if (!user) co_return plain_error(401, user.error().message);
  auto path = resolve_path(*user, request.query_value("path").value_or(""));
  if (!path) co_return plain_error(path.error());
  if (request.method == http::Method::put) {
    co_return co_await upload(request, *std::move(user), *std::move(path));
  }
  co_return co_await download(request, *std::move(user), *std::move(path));
}

Task<http::Response> ArchiveService::download(const http::Request& request, User user,
                                              std::string path) {
  auto open =
      [path,
       skip = is_set(request, "skip_unreadable")]() -> FileResult<std::shared_ptr<ArchiveSource>> {
    TRY(source, ArchiveSource::open(path, skip));
    return std::make_shared<ArchiveSource>(std::move(source));
  };
  const auto source = co_await work_.run(user, std::move(open));
  if (!source) co_return plain_error(source.error());
  http::Response response;
  response.headers.add("Content-Type", "application/x-tar");
  const auto complete = std::make_shared<bool>(false);
  response.stream_complete = complete;
  response.stream = [this, user = std::move(user), source = *source,
                     complete](http::BodyWriter& writer) {
    return send_archive(writer, work_, user, source, complete);
  };
  co_return response;
}

Task<http::Response> ArchiveService::upload(http::Request& request, User user, std::string path) {
  auto body = PlainBody::make(request);
  if (!body) co_return plain_error(400, body.error().message);
  auto open = [path, outside = is_set(
                         request, "outside_links")]() -> FileResult<std::shared_ptr<ArchiveSink>> {
    TRY(sink, ArchiveSink::open(path, outside));
    return std::make_shared<ArchiveSink>(std::move(sink));
  };
  auto sink = co_await work_.run(user, std::move(open));
  if (!sink) co_return plain_error(sink.error());
  const auto received = co_await receive(work_, user, *body, *sink);
  const std::uint64_t entries = (*sink)->entries(), bytes = (*sink)->bytes();
  auto close = [held = std::exchange(*sink, nullptr)]() mutable -> FileResult<bool> {
    held.reset();  // with the user's rights: it may have something to remove
    return true;
  };
  (void)co_await work_.run(std::move(user), std::move(close));
  if (!received) co_return plain_error(received.error());
  co_return json_answer({{"entries", entries}, {"bytes", bytes}});
}

}  // namespace matrx::agent
