#pragma once
// filesystem.Filesystem over Connect in JSON: Stat, MakeDir, Move, ListDir, Remove, WatchDir,
// CreateWatcher, GetWatcherEvents, RemoveWatcher. client-contracts.md §1.6 and §1.8.
//
// Everything happens with the rights of the user that the request names. Our own: the event
// `overflow {}` of WatchDir and the field `overflow` of GetWatcherEvents, where something was lost.

#include <map>

#include "agent/sandbox_settings.hpp"
#include "agent/watches.hpp"
#include "http/message.hpp"
#include "wire/json.hpp"

namespace matrx::agent {

struct WatchRequest {
  std::string path;
  bool recursive = false, include_entry = false, allow_network = false;
};
WatchRequest read_watch_request(const json::object& message);

class FilesystemService {
 public:
  FilesystemService(Executor executor, UserWork& work, const Users& users,
                    const SandboxSettings& settings)
      : work_(work), users_(users), settings_(settings), watches_(executor, work) {}

  // method: the last part of the path. Answers also what is unknown (unimplemented).
  Task<http::Response> handle(std::string_view method, http::Request& request);

 private:
  struct Watcher {
    std::shared_ptr<Watch> watch;
    bool include_entry = false;
    std::chrono::steady_clock::time_point asked;
  };

  Task<FileResult<json::object>> unary(std::string_view method, User user, json::object message);
  Task<FileResult<json::object>> stat(User user, std::string path);
  Task<FileResult<json::object>> make_dir(User user, std::string path);
  Task<FileResult<json::object>> move(User user, std::string from, std::string to);
  Task<http::Response> list_dir(User user, const json::object& message);
  Task<FileResult<json::object>> remove(User user, std::string path);
  Task<FileResult<json::object>> create_watcher(User user, WatchRequest request);
  Task<FileResult<json::object>> watcher_events(std::string id);
  Task<http::Response> watch_dir(const http::Request& request);
  Task<FileResult<std::shared_ptr<Watch>>> open_watch(User user, WatchRequest request);
  FileResult<User> find_user(const http::Request& request) const;
  void forget_old_watchers();

  UserWork& work_;
  const Users& users_;
  const SandboxSettings& settings_;
  Watches watches_;
  std::map<std::string, Watcher> watchers_;
};

}  // namespace matrx::agent
