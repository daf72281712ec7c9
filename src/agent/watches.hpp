#pragma once
// Watched folders: what happens in them, in order, with an announcement where something was lost.
//
// One inotify instance for all of them: the kernel gives each user of the host only 128, and root
// in every container is the same one.

#include <boost/asio/posix/stream_descriptor.hpp>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/user_work.hpp"
#include "agent/watch_scan.hpp"
#include "async/notice.hpp"
#include "async/task_group.hpp"
#include "async/turns.hpp"

struct inotify_event;

namespace matrx::agent {

struct FileEvent {
  enum class Kind { create = 1, write, remove, rename, chmod };  // the protocol's numbers
  Kind kind = Kind::create;
  std::string name;  // below the watched folder; "." is that folder itself
};

class Watches;

class Watch : public std::enable_shared_from_this<Watch> {
 public:
  struct Batch {
    std::vector<FileEvent> events;
    bool overflow = false;  // something behind these is lost: look yourself
    bool empty() const { return events.empty() && !overflow; }
  };

  Watch(Watches& owner, User user, std::string path, bool recursive)
      : owner_(owner), user_(std::move(user)), path_(std::move(path)), recursive_(recursive) {}
  ~Watch();
  Watch(const Watch&) = delete;

  // What has happened since the last call, at most `count` events; empty after the timeout.
  Task<Batch> next(std::size_t count, milliseconds timeout);
  Batch take(std::size_t count);

  const User& user() const { return user_; }
  const std::string& path() const { return path_; }

 private:
  friend class Watches;

  void handle(const inotify_event& event);
  void handle_self(const inotify_event& event, const std::string& folder);
  void handle_arrival(const inotify_event& event, const std::string& name);
  void push(FileEvent::Kind kind, const std::string& name);
  void lose();
  void add(const WatchScan& scan, bool tell);
  void follow_rename(const std::string& from, const std::string& to);
  void settle();
  void let_go_of_moved_away(const std::set<std::uint32_t>& arrivals);
  void release_below(const std::string& gone);
  Watches& owner_;
  User user_;
  std::string path_;
  bool recursive_;
  std::map<int, std::string> folders_;  // by watch descriptor: path below ours
  std::deque<FileEvent> events_;
  std::size_t bytes_ = 0;
  bool overflow_ = false;
  std::set<std::string> told_;  // by a scan, since the kernel's queue was last empty: no news
  // Renames of which one half was read, by cookie. The kernel tells each in two events, and now and
  // then they are read one by one (inotify(7), "Dealing with rename() events").
  struct HalfUpload {
    bool replaces;
    std::chrono::steady_clock::time_point since;
  };
  std::map<std::uint32_t, HalfUpload> uploads_;
  std::map<std::uint32_t, std::string> moved_away_;  // folders: what is read next decides
  Notice changed_;
};

class Watches {
 public:
  Watches(Executor executor, UserWork& work) : executor_(executor), work_(work), tasks_(executor) {}

  // not_found, wrong_type (no folder), forbidden. busy: on the network, and that was not allowed.
  // exhausted: too many watches or folders. Ends when the last owner lets go of it.
  Task<FileResult<std::shared_ptr<Watch>>> open(User user, std::string path, bool recursive,
                                                bool allow_network);

 private:
  friend class Watch;
  struct Discovery {
    std::shared_ptr<Watch> watch;
    std::string folder;
    bool tell = true;  // what is in it is news
  };

  FileResult<void> begin();
  Task<void> run(std::shared_ptr<asio::posix::stream_descriptor> inotify);
  Task<void> drain();
  bool read_some();
  void dispatch(const inotify_event& event);
  Task<void> look_at_discoveries();
  Task<FileResult<WatchScan>> scan(std::shared_ptr<Watch> watch, std::string folder,
                                   bool list_names);
  void release(Watch& watch);
  void release_folder(Watch& watch, int descriptor);
  void drop_unused();
  void end_if_unused();

  Executor executor_;
  UserWork& work_;
  std::shared_ptr<asio::posix::stream_descriptor> inotify_;
  std::vector<Watch*> watches_;
  std::unordered_map<int, std::vector<Watch*>> by_descriptor_;
  std::vector<Discovery> discoveries_;
  std::vector<int> unused_;  // descriptors that nobody wants any more
  int scans_ = 0;            // under way: they may be taking up what is unused
  Slots turn_{1};
  TaskGroup tasks_;
};

}  // namespace matrx::agent
