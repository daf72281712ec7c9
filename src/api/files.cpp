// Handlers of files inside a sandbox. What they deliver is what a sandbox has written: no browser
// may take it for a page of ours.

#include "api/api.hpp"
#include "api/decode.hpp"
#include "api/sse.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"

namespace matrx::api {
namespace {

// path and user of the query; what is wrong stays in the reader.
FilePlace place_of(QueryReader& query) {
  FilePlace place{.user = query.text("user").value_or("agent"),
                  .path = query.text("path").value_or("")};
  if (place.path.empty()) query.refuse("path", "Field required", "missing");
  if (place.path.size() > kPathBytesMax || place.path.find('\0') != std::string::npos) {
    query.refuse("path", "The path is too long, or holds a NUL character", "value_error");
  }
  const PatternRule rule = user_name_rule();
  if (!rule.matches(place.user)) {
    query.refuse("user", "String should match pattern '" + rule.pattern + "'",
                 "string_pattern_mismatch");
  }
  return place;
}

void mark_as_data(http::Response& response, const char* type) {
  response.headers.add("Content-Type", type);
  response.headers.add("Content-Disposition", "attachment");
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.headers.add("Cache-Control", "no-store");
}

// Content of the sandbox → the client, one piece in memory. What breaks off breaks the connection.
Task<void> send_content(std::shared_ptr<ByteSource> content, std::shared_ptr<bool> complete,
                        http::BodyWriter& writer) {
  for (;;) {
    const auto piece = co_await content->read_some();
    if (!piece) co_return;
    *complete = piece->empty();
    if (piece->empty() || !co_await writer.write(*piece)) co_return;
  }
}

void stream_download(http::Response& response, FileDownload download, Activity::Hold busy) {
  const std::shared_ptr<ByteSource> content = std::move(download.content);
  const auto complete = std::make_shared<bool>(false);
  const auto hold = std::make_shared<Activity::Hold>(std::move(busy));
  response.stream_bytes = download.bytes;
  response.stream_complete = complete;
  response.stream = [content, complete, hold](http::BodyWriter& writer) {
    return send_content(content, complete, writer);
  };
}

// One argument for a shell.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

// As the agent's other calls understand it: "~" and relative ones begin at the home.
std::string shell_path(std::string_view path) {
  if (path.starts_with('/')) return quoted(path);
  if (path == "~") return "\"$HOME\"";
  if (path.starts_with("~/")) path.remove_prefix(2);
  return "\"$HOME\"/" + quoted(path);
}

Error why_not_copied(const ExecOutcome& outcome) {
  if (outcome.timed_out) return {Code::timeout, "The copy took too long.", {}};
  const bool is_full = outcome.stdout_text.find("No space left") != std::string::npos;
  return {is_full ? Code::too_large : Code::invalid, outcome.stdout_text, {}};
}

std::string event_text(const FileChange& change) {
  if (change.kind == FileChange::Kind::overflow) return sse_event("overflow", json::object());
  if (change.kind == FileChange::Kind::quiet) return std::string(kSseKeepAlive);
  if (change.kind != FileChange::Kind::change) return {};
  return sse_event("change", file_change_schema().encode(to_body(change)));
}

Task<void> write_changes(FileChanges& changes, http::BodyWriter& writer) {
  std::string text = sse_event("start", json::object());
  for (;;) {
    if (!text.empty() && !co_await writer.write(text)) co_return;
    const auto next = co_await changes.next();
    if (!next) {
      text = sse_event("error", json::object{{"code", code_name(next.error().code)},
                                             {"detail", next.error().message}});
      (void)co_await writer.write(text);
      co_return;
    }
    const std::optional<FileChange>& change = *next;
    if (!change) co_return;
    text = event_text(*change);
  }
}

Task<void> send_changes(std::shared_ptr<FileChanges> changes, http::BodyWriter& writer) {
  co_await while_wanted(writer, write_changes(*changes, writer));
}

}  // namespace

Task<http::Response> Api::read_file(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  QueryReader query(context);
  FilePlace place = place_of(query);
  if (query.failed()) co_return query.response();
  std::string range(context.request.headers.get("Range"));
  auto download = co_await core_.inside().call(*id, Entry::work, context.actor(),
                                               &Machine::read_file, std::move(place), range);
  if (!download) co_return error_response(download.error(), context.request_id);
  http::Response response;
  mark_as_data(response, "application/octet-stream");
  response.headers.add("Accept-Ranges", "bytes");
  if (!download->range.empty()) {
    response.headers.add("Content-Range", download->range);
    response.status = download->content ? 206 : 416;
  }
  if (!download->content) co_return response;
  stream_download(response, *std::move(download), core_.inside().activity().hold(*id));
  co_return response;
}

Task<http::Response> Api::write_file(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  QueryReader query(context);
  const FilePlace place = place_of(query);
  if (query.failed()) co_return query.response();
  Inside& inside = core_.inside();
  const auto body = std::ref(static_cast<ByteSource&>(*context.request.body_reader));
  const auto written =
      co_await inside.call(*id, Entry::work, context.actor(), &Machine::write_file, place, body);
  if (!written) co_return error_response(written.error(), context.request_id);
  const auto entry =
      co_await inside.call(*id, Entry::work, context.actor(), &Machine::stat_file, place);
  if (!entry) co_return error_response(entry.error(), context.request_id);
  co_return json_response(200, file_entry_schema().encode(to_body(*entry)));
}

Task<http::Response> Api::remove_file(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  QueryReader query(context);
  const FilePlace place = place_of(query);
  const bool recursive = query.flag("recursive", false);
  if (query.failed()) co_return query.response();
  Inside& inside = core_.inside();
  const auto entry =
      co_await inside.call(*id, Entry::work, context.actor(), &Machine::stat_file, place);
  if (!entry) co_return error_response(entry.error(), context.request_id);
  if (!recursive && entry->type == FileType::folder && !entry->link_target) {
    const auto content =
        co_await inside.call(*id, Entry::work, context.actor(), &Machine::list_folder, place, 1);
    if (!content) co_return error_response(content.error(), context.request_id);
    if (!content->empty()) {
      co_return error_response(409, Code::conflict,
                               "The folder is not empty; delete it with recursive=true.",
                               context.request_id);
    }
  }
  const auto removed =
      co_await inside.call(*id, Entry::work, context.actor(), &Machine::remove_file, place);
  if (!removed) co_return error_response(removed.error(), context.request_id);
  co_return http::Response{.status = 204};
}

Task<http::Response> Api::stat_file(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  QueryReader query(context);
  FilePlace place = place_of(query);
  if (query.failed()) co_return query.response();
  const auto entry = co_await core_.inside().call(*id, Entry::work, context.actor(),
                                                  &Machine::stat_file, std::move(place));
  if (!entry) co_return error_response(entry.error(), context.request_id);
  co_return json_response(200, file_entry_schema().encode(to_body(*entry)));
}

Task<http::Response> Api::list_files(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  QueryReader query(context);
  FilePlace place = place_of(query);
  const int depth = query.integer("depth", 1, 1, kListDepthMax);
  if (query.failed()) co_return query.response();
  const auto entries = co_await core_.inside().call(*id, Entry::work, context.actor(),
                                                    &Machine::list_folder, std::move(place), depth);
  if (!entries) co_return error_response(entries.error(), context.request_id);
  FileListBody body;
  for (const FileEntry& entry : *entries) body.entries.push_back(to_body(entry));
  co_return json_response(200, file_list_schema().encode(body));
}

Task<http::Response> Api::make_folder(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  auto request = decode_body(context, machine_schemas_.path);
  if (!request) co_return std::move(request).error();
  FilePlace place{.user = std::move(request->user), .path = std::move(request->path)};
  const auto entry = co_await core_.inside().call(*id, Entry::work, context.actor(),
                                                  &Machine::make_folder, std::move(place));
  if (!entry) co_return error_response(entry.error(), context.request_id);
  co_return json_response(201, file_entry_schema().encode(to_body(*entry)));
}

Task<http::Response> Api::move_file(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  auto request = decode_body(context, machine_schemas_.move);
  if (!request) co_return std::move(request).error();
  FilePlace from{.user = std::move(request->user), .path = std::move(request->from)};
  const auto entry =
      co_await core_.inside().call(*id, Entry::work, context.actor(), &Machine::move_file,
                                   std::move(from), std::move(request->to));
  if (!entry) co_return error_response(entry.error(), context.request_id);
  co_return json_response(200, file_entry_schema().encode(to_body(*entry)));
}

// By cp of the image: it knows how to keep links, modes and times.
Task<http::Response> Api::copy_file(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  auto request = decode_body(context, machine_schemas_.move);
  if (!request) co_return std::move(request).error();
  FilePlace from{.user = request->user, .path = request->from};
  const auto source = co_await core_.inside().call(*id, Entry::work, context.actor(),
                                                   &Machine::stat_file, std::move(from));
  if (!source) co_return error_response(source.error(), context.request_id);
  ExecSpec spec;
  spec.command =
      "exec cp -aT -- " + shell_path(request->from) + " " + shell_path(request->to) + " 2>&1";
  spec.user = request->user;
  spec.timeout = kMachineFileDeadline;
  spec.output_bytes_max = kCopyErrorBytesMax;
  auto outcome = co_await core_.exec(*id, std::move(spec), context.actor());
  if (!outcome) co_return error_response(outcome.error(), context.request_id);
  if (outcome->exit_code != 0) {
    co_return error_response(why_not_copied(*outcome), context.request_id);
  }
  FilePlace to{.user = std::move(request->user), .path = std::move(request->to)};
  const auto entry = co_await core_.inside().call(*id, Entry::work, context.actor(),
                                                  &Machine::stat_file, std::move(to));
  if (!entry) co_return error_response(entry.error(), context.request_id);
  co_return json_response(201, file_entry_schema().encode(to_body(*entry)));
}

Task<http::Response> Api::read_archive(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  QueryReader query(context);
  FilePlace place = place_of(query);
  const bool skip = query.flag("skip_unreadable", false);
  if (query.failed()) co_return query.response();
  auto download = co_await core_.inside().call(*id, Entry::work, context.actor(),
                                               &Machine::pack_folder, std::move(place), skip);
  if (!download) co_return error_response(download.error(), context.request_id);
  http::Response response;
  mark_as_data(response, "application/x-tar");
  stream_download(response, *std::move(download), core_.inside().activity().hold(*id));
  co_return response;
}

Task<http::Response> Api::write_archive(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  QueryReader query(context);
  FilePlace place = place_of(query);
  const bool outside_links = query.flag("outside_links", false);
  if (query.failed()) co_return query.response();
  const auto& headers = context.request.headers;
  const bool gzip = headers.get("Content-Encoding") == "gzip" ||
                    headers.get("Content-Type").find("gzip") != std::string::npos;
  const auto body = std::ref(static_cast<ByteSource&>(*context.request.body_reader));
  const auto unpacked =
      co_await core_.inside().call(*id, Entry::work, context.actor(), &Machine::unpack,
                                   std::move(place), gzip, outside_links, body);
  if (!unpacked) co_return error_response(unpacked.error(), context.request_id);
  co_return json_response(
      200, unpacked_schema().encode({.entries = unpacked->entries, .bytes = unpacked->bytes}));
}

Task<http::Response> Api::watch_files(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  QueryReader query(context);
  FilePlace place = place_of(query);
  const bool recursive = query.flag("recursive", false);
  if (query.failed()) co_return query.response();
  auto opened = co_await core_.inside().call(*id, Entry::look, context.actor(),
                                             &Machine::watch_folder, std::move(place), recursive);
  if (!opened) co_return error_response(opened.error(), context.request_id);
  std::shared_ptr<FileChanges> changes = *std::move(opened);
  // The first word says that the watch is up, or why it is not.
  const auto first = co_await changes->next();
  if (!first) co_return error_response(first.error(), context.request_id);
  http::Response response = sse_response();
  response.stream = [changes](http::BodyWriter& writer) { return send_changes(changes, writer); };
  co_return response;
}

}  // namespace matrx::api
