// One watched folder: kernel events → what is told.

#include <sys/inotify.h>

#include <algorithm>

#include "agent/limits.hpp"
#include "agent/upload.hpp"
#include "agent/watches.hpp"

namespace matrx::agent {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kEventCost = 64;  // besides its name

}  // namespace

Watch::~Watch() { owner_.release(*this); }

Task<Watch::Batch> Watch::next(std::size_t count, milliseconds timeout) {
  const auto until = steady_clock::now() + timeout;
  for (;;) {
    Batch batch = take(count);
    const auto left = until - steady_clock::now();
    if (!batch.empty() || left.count() <= 0) co_return batch;
    co_await changed_.wait(std::chrono::ceil<milliseconds>(left));
  }
}

Watch::Batch Watch::take(std::size_t count) {
  Batch batch;
  while (!events_.empty() && batch.events.size() < count) {
    bytes_ -= kEventCost + events_.front().name.size();
    batch.events.push_back(std::move(events_.front()));
    events_.pop_front();
  }
  if (events_.empty()) batch.overflow = std::exchange(overflow_, false);
  return batch;
}

void Watch::push(FileEvent::Kind kind, const std::string& name) {
  if (overflow_) return;  // it is announced behind what is there; nothing may come in between
  if (!events_.empty() && events_.back().kind == kind && events_.back().name == name &&
      kind != FileEvent::Kind::create) {
    return;  // a large file is written in thousands of pieces
  }
  if (bytes_ + kEventCost + name.size() > kWatchQueueBytesMax) return lose();
  bytes_ += kEventCost + name.size();
  events_.push_back({kind, name});
  changed_.notify();
}

void Watch::lose() {
  overflow_ = true;
  changed_.notify();
}

void Watch::handle(const inotify_event& event) {
  const auto found = folders_.find(event.wd);
  if (found == folders_.end()) return;
  const std::string folder = found->second;
  if (event.len == 0) return handle_self(event, folder);
  const std::string last = static_cast<const char*>(event.name);
  const std::string name = below(folder, last);
  const bool is_folder = (event.mask & IN_ISDIR) != 0;
  if (const auto upload = upload_of_temporary_name(last)) {
    // A file on its way in: told when it has its name.
    if (event.mask & IN_MOVED_FROM) {
      if (uploads_.size() >= kHalfUploadsMax) return lose();
      uploads_[event.cookie] = {*upload == Upload::replaces, steady_clock::now()};
    }
    return;
  }
  if (event.mask & (IN_CREATE | IN_MOVED_TO)) return handle_arrival(event, name);
  if (event.mask & IN_MODIFY) push(FileEvent::Kind::write, name);
  if (event.mask & IN_ATTRIB) push(FileEvent::Kind::chmod, name);
  if (event.mask & (IN_DELETE | IN_MOVED_FROM)) told_.erase(name);
  if (event.mask & IN_DELETE) push(FileEvent::Kind::remove, name);
  if (event.mask & IN_MOVED_FROM) {
    push(FileEvent::Kind::rename, name);
    if (is_folder && recursive_) moved_away_[event.cookie] = name;
  }
}

// Of the folder itself. Those further down are told by the one they are in.
void Watch::handle_self(const inotify_event& event, const std::string& folder) {
  if (event.mask & IN_IGNORED) {
    owner_.release_folder(*this, event.wd);
    return;
  }
  if (!folder.empty()) return;
  if (event.mask & IN_ATTRIB) push(FileEvent::Kind::chmod, ".");
  if (event.mask & IN_DELETE_SELF) push(FileEvent::Kind::remove, ".");
  if (event.mask & IN_MOVE_SELF) push(FileEvent::Kind::rename, ".");
}

void Watch::handle_arrival(const inotify_event& event, const std::string& name) {
  if (told_.erase(name) > 0) return;
  const bool is_folder = (event.mask & IN_ISDIR) != 0;
  if (event.mask & IN_MOVED_TO) {
    if (const auto upload = uploads_.extract(event.cookie)) {
      if (!upload.mapped().replaces) push(FileEvent::Kind::create, name);
      push(FileEvent::Kind::write, name);
      return;
    }
    if (const auto moved = moved_away_.extract(event.cookie)) {
      push(FileEvent::Kind::create, name);
      follow_rename(moved.mapped(), name);
      return;
    }
  }
  push(FileEvent::Kind::create, name);
  if (is_folder && recursive_) {
    owner_.discoveries_.push_back({.watch = shared_from_this(), .folder = name});
  }
}

void Watch::follow_rename(const std::string& from, const std::string& to) {
  for (auto& [descriptor, folder] : folders_) {
    if (folder == from) {
      folder = to;
    } else if (folder.starts_with(from + "/")) {
      folder = to + folder.substr(from.size());
    }
  }
}

void Watch::add(const WatchScan& scan, bool tell) {
  for (const auto& [descriptor, folder] : scan.folders) {
    auto& watchers = owner_.by_descriptor_[descriptor];
    if (std::ranges::find(watchers, this) == watchers.end()) watchers.push_back(this);
    folders_[descriptor] = folder;
  }
  if (tell) {
    for (const std::string& name : scan.names) {
      if (upload_of_temporary_name(name.substr(name.rfind('/') + 1))) continue;
      push(FileEvent::Kind::create, name);
      told_.insert(name);
    }
  }
  if (!scan.complete) lose();
}

// The queue is empty.
void Watch::settle() {
  told_.clear();
  const auto limit = steady_clock::now() - kHalfUploadKept;
  std::erase_if(uploads_, [limit](const auto& half) { return half.second.since < limit; });
}

// Something happened since these folders left, and it was not their coming back in: they are
// outside, and what happens in them is no news. One that does come back later is a new folder.
void Watch::let_go_of_moved_away(const std::set<std::uint32_t>& arrivals) {
  std::erase_if(moved_away_, [&](const auto& gone) {
    if (arrivals.contains(gone.first)) return false;
    release_below(gone.second);
    return true;
  });
}

void Watch::release_below(const std::string& gone) {
  std::vector<int> descriptors;
  for (const auto& [descriptor, folder] : folders_) {
    if (folder == gone || folder.starts_with(gone + "/")) descriptors.push_back(descriptor);
  }
  for (int descriptor : descriptors) owner_.release_folder(*this, descriptor);
}

}  // namespace matrx::agent
