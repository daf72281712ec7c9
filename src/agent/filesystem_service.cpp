#include "agent/filesystem_service.hpp"

#include <algorithm>

#include "agent/connect_call.hpp"
#include "agent/file_operations.hpp"
#include "agent/limits.hpp"
#include "base/random.hpp"
#include "base/text.hpp"

namespace matrx::agent {
namespace {

using Kind = FileError::Kind;

std::string_view kind_word(FileEvent::Kind kind) {
  switch (kind) {
    case FileEvent::Kind::create:
      return "EVENT_TYPE_CREATE";
    case FileEvent::Kind::write:
      return "EVENT_TYPE_WRITE";
    case FileEvent::Kind::remove:
      return "EVENT_TYPE_REMOVE";
    case FileEvent::Kind::rename:
      return "EVENT_TYPE_RENAME";
    case FileEvent::Kind::chmod:
      return "EVENT_TYPE_CHMOD";
  }
  return "EVENT_TYPE_UNSPECIFIED";
}

bool has_entry(FileEvent::Kind kind) {
  return kind != FileEvent::Kind::remove && kind != FileEvent::Kind::rename;
}

// {name, type, entry?}: an entry of what is there now, which may be nothing.
json::array describe_events(const std::vector<FileEvent>& events, const std::string& root,
                            bool include_entry) {
  OwnerNames names;
  json::array described;
  described.reserve(events.size());
  for (const FileEvent& event : events) {
    json::object one{{"name", to_valid_utf8(event.name)}, {"type", kind_word(event.kind)}};
    if (include_entry && has_entry(event.kind)) {
      const std::string path =
          event.name == "." ? root : below(root == "/" ? "" : root, event.name);
      if (auto entry = describe_entry(path, names)) one["entry"] = *std::move(entry);
    }
    described.push_back(std::move(one));
  }
  return described;
}

Task<FileResult<json::array>> describe(UserWork& work, std::shared_ptr<Watch> watch,
                                       std::vector<FileEvent> events, bool include_entry) {
  if (!include_entry) co_return describe_events(events, watch->path(), false);
  auto look = [events = std::move(events), root = watch->path()]() -> FileResult<json::array> {
    return describe_events(events, root, true);
  };
  co_return co_await work.run(watch->user(), std::move(look));
}

Task<void> send_events(http::BodyWriter& writer, UserWork& work, std::shared_ptr<Watch> watch,
                       bool include_entry, StreamLimits limits) {
  if (!co_await writer.write(envelope({{"start", json::object()}}))) co_return;
  for (;;) {
    const Watch::Batch batch = co_await watch->next(kWatchBatch, limits.patience());
    std::string text;
    const auto described = co_await describe(work, watch, batch.events, include_entry);
    if (described) {
      for (const json::value& one : *described) text += envelope({{"filesystem", one}});
    }
    if (batch.overflow) text += envelope({{"overflow", json::object()}});
    const bool passed = limits.passed();
    if (passed) text += end_envelope(deadline_error());
    if (text.empty() && writer.is_over()) co_return;
    if (text.empty() && !limits.ping_due()) continue;
    if (text.empty()) text = envelope({{"keepalive", json::object()}});
    if (!co_await writer.write(text) || passed) co_return;
    limits.spoken();
  }
}

http::Response stream_error(const FileError& error) {
  http::Response response = stream_response({});
  response.body = end_envelope(error);
  return response;
}

}  // namespace

WatchRequest read_watch_request(const json::object& message) {
  return {.path = std::string(json::text_at(message, "path")),
          .recursive = json::flag_at(message, "recursive"),
          .include_entry = json::flag_at(message, "includeEntry"),
          .allow_network = json::flag_at(message, "allowNetworkMounts")};
}

Task<http::Response> FilesystemService::handle(std::string_view method, http::Request& request) {
  auto body = co_await request.body_reader->read_all(kRpcBodyBytesMax);
  if (!body) co_return connect_error(body.error());
  request.body = *std::move(body);
  if (method == "WatchDir") co_return co_await watch_dir(request);
  auto parsed = json::parse(request.body);
  if (!parsed || !parsed->is_object()) {
    co_return connect_error({Code::invalid, "The message is not JSON.", {}});
  }
  constexpr std::string_view kMethods[] = {"Stat",          "MakeDir",         "Move",
                                           "ListDir",       "Remove",          "CreateWatcher",
                                           "RemoveWatcher", "GetWatcherEvents"};
  if (std::ranges::find(kMethods, method) == std::end(kMethods)) {
    co_return connect_error({Code::unsupported, "There is no such method.", {}});
  }
  auto user = find_user(request);
  if (!user) co_return connect_error(user.error());
  if (method == "ListDir") co_return co_await list_dir(*std::move(user), parsed->get_object());
  const auto answer = co_await unary(method, *std::move(user), std::move(parsed->get_object()));
  if (!answer) co_return connect_error(answer.error());
  co_return json_answer(*answer);
}

FileResult<User> FilesystemService::find_user(const http::Request& request) const {
  const std::string named = user_of(request);
  auto user = users_.find(named.empty() ? settings_.default_user : named);
  if (!user) return file_fail(Kind::unknown_user, user.error().message);
  return *std::move(user);
}

Task<FileResult<json::object>> FilesystemService::unary(std::string_view method, User user,
                                                        json::object message) {
  const std::string id(json::text_at(message, "watcherId"));
  if (method == "GetWatcherEvents") co_return co_await watcher_events(id);
  if (method == "RemoveWatcher") {
    if (watchers_.erase(id) > 0) co_return json::object();
    co_return file_fail(Kind::not_found, "There is no such watcher.");
  }
  if (method == "CreateWatcher") {
    WatchRequest request = read_watch_request(message);
    co_return co_await create_watcher(std::move(user), std::move(request));
  }
  const char* name = method == "Move" ? "source" : "path";
  CO_TRY(path, resolve_path(user, json::text_at(message, name)));
  if (method == "Stat") co_return co_await stat(std::move(user), path);
  if (method == "MakeDir") co_return co_await make_dir(std::move(user), path);
  if (method == "Move") {
    CO_TRY(to, resolve_path(user, json::text_at(message, "destination")));
    co_return co_await move(std::move(user), path, to);
  }
  if (method == "Remove") co_return co_await remove(std::move(user), path);
  co_return file_fail(Kind::internal, "A method is not routed.");
}

Task<FileResult<json::object>> FilesystemService::stat(User user, std::string path) {
  auto work = [path = std::move(path)]() -> FileResult<json::object> {
    OwnerNames names;
    TRY(entry, describe_entry(path, names));
    return json::object{{"entry", std::move(entry)}};
  };
  co_return co_await work_.run(std::move(user), std::move(work));
}

Task<FileResult<json::object>> FilesystemService::make_dir(User user, std::string path) {
  auto work = [path = std::move(path)]() -> FileResult<json::object> {
    CHECK_OK(make_folder(path));
    OwnerNames names;
    TRY(entry, describe_entry(path, names));
    return json::object{{"entry", std::move(entry)}};
  };
  co_return co_await work_.run(std::move(user), std::move(work));
}

Task<FileResult<json::object>> FilesystemService::move(User user, std::string from,
                                                       std::string to) {
  auto work = [from = std::move(from), to = std::move(to)]() -> FileResult<json::object> {
    CHECK_OK(move_file(from, to));
    OwnerNames names;
    TRY(entry, describe_entry(to, names));
    return json::object{{"entry", std::move(entry)}};
  };
  co_return co_await work_.run(std::move(user), std::move(work));
}

Task<http::Response> FilesystemService::list_dir(User user, const json::object& message) {
  const auto path = resolve_path(user, json::text_at(message, "path"));
  if (!path) co_return connect_error(path.error());
  const auto depth = std::clamp<std::int64_t>(json::integer_at(message, "depth"), 1, kListDepthMax);
  auto work = [path = *path, depth = static_cast<int>(depth)] {
    OwnerNames names;
    return list_folder(path, depth, names);
  };
  const auto entries = co_await work_.run(std::move(user), std::move(work));
  if (!entries) co_return connect_error(entries.error());
  http::Response response;
  response.headers.add("Content-Type", "application/json");
  response.body = "{\"entries\":" + *entries + "}";
  co_return response;
}

Task<FileResult<json::object>> FilesystemService::remove(User user, std::string path) {
  auto work = [path = std::move(path)]() -> FileResult<json::object> {
    CHECK_OK(remove_all(path));
    return json::object();
  };
  co_return co_await work_.run(std::move(user), std::move(work));
}

// --- Watching ----------------------------------------------------------------------------------

Task<FileResult<std::shared_ptr<Watch>>> FilesystemService::open_watch(User user,
                                                                       WatchRequest request) {
  CO_TRY(path, resolve_path(user, request.path));
  co_return co_await watches_.open(std::move(user), path, request.recursive, request.allow_network);
}

Task<http::Response> FilesystemService::watch_dir(const http::Request& request) {
  const StreamLimits limits = limits_of(request);
  const auto message = stream_message(request);
  if (!message) co_return agent::stream_error(message.error());
  auto user = find_user(request);
  if (!user) co_return stream_error(user.error());
  WatchRequest wish = read_watch_request(*message);
  const bool include_entry = wish.include_entry;
  auto watch = co_await open_watch(*std::move(user), std::move(wish));
  if (!watch) co_return stream_error(watch.error());
  co_return stream_response(
      [this, watch = *std::move(watch), include_entry, limits](http::BodyWriter& writer) {
        return send_events(writer, work_, watch, include_entry, limits);
      });
}

Task<FileResult<json::object>> FilesystemService::create_watcher(User user, WatchRequest request) {
  forget_old_watchers();
  const bool include_entry = request.include_entry;
  auto watch = co_await open_watch(std::move(user), std::move(request));
  if (!watch) co_return std::unexpected(watch.error());
  const std::string id = "watcher_" + SystemRandom().hex(8);
  watchers_[id] = Watcher{.watch = *std::move(watch),
                          .include_entry = include_entry,
                          .asked = std::chrono::steady_clock::now()};
  co_return json::object{{"watcherId", id}};
}

Task<FileResult<json::object>> FilesystemService::watcher_events(std::string id) {
  const auto found = watchers_.find(id);
  if (found == watchers_.end()) {
    co_return file_fail(Kind::not_found, "There is no such watcher.");
  }
  found->second.asked = std::chrono::steady_clock::now();
  const auto watch = found->second.watch;
  const bool include_entry = found->second.include_entry;
  // One answer takes all; the queue itself is bounded.
  Watch::Batch batch = watch->take(kWatchQueueBytesMax);
  CO_TRY(events, co_await describe(work_, watch, std::move(batch.events), include_entry));
  json::object answer{{"events", std::move(events)}};
  if (batch.overflow) answer["overflow"] = true;
  co_return answer;
}

// Of clients that have gone without a word.
void FilesystemService::forget_old_watchers() {
  const auto now = std::chrono::steady_clock::now();
  std::erase_if(watchers_, [&](const auto& one) { return now - one.second.asked > kWatcherKept; });
}

}  // namespace matrx::agent
