#include "agent/watches.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>

#include "agent/limits.hpp"
#include "async/as_tuple.hpp"

namespace matrx::agent {
namespace {

using asio::posix::stream_descriptor;
using Kind = FileError::Kind;

constexpr std::size_t kBufferBytes = 16 * 1024;  // a few hundred events

}  // namespace

Task<FileResult<std::shared_ptr<Watch>>> Watches::open(User user, std::string path, bool recursive,
                                                       bool allow_network) {
  if (watches_.size() >= kWatchesMax) {
    co_return file_fail(Kind::exhausted, "Too many folders are watched in the sandbox.");
  }
  if (const auto begun = begin(); !begun) co_return std::unexpected(begun.error());
  auto watch = std::make_shared<Watch>(*this, std::move(user), std::move(path), recursive);
  watches_.push_back(watch.get());
  auto on_network = [root = watch->path(), allow_network]() -> FileResult<bool> {
    return !allow_network && is_on_network(root);
  };
  const auto network = co_await work_.run(watch->user(), std::move(on_network));
  if (!network) co_return std::unexpected(network.error());
  if (*network) {
    co_return file_fail(Kind::busy, "'" + watch->path() + "' is on a network file system.");
  }
  const auto turn = co_await turn_.take();
  const auto found = co_await scan(watch, "", false);
  if (!found) co_return std::unexpected(found.error());
  if (!found->complete) {
    co_return file_fail(Kind::exhausted,
                        "There are too many folders in '" + watch->path() + "' to watch.");
  }
  watch->add(*found, false);
  co_return watch;
}

FileResult<void> Watches::begin() {
  if (inotify_) return {};
  const int descriptor = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (descriptor < 0) return file_fail(errno, "inotify");
  inotify_ = std::make_shared<stream_descriptor>(executor_, descriptor);
  tasks_.spawn("watches", run(inotify_));
  return {};
}

Task<void> Watches::run(std::shared_ptr<stream_descriptor> inotify) {
  while (inotify_ == inotify) {
    const auto [ec] = co_await inotify->async_wait(stream_descriptor::wait_read, kAsTuple);
    if (ec || inotify_ != inotify) break;
    const auto turn = co_await turn_.take();
    if (inotify_ != inotify) break;
    co_await drain();
  }
}

// Everything that the kernel has, and the new folders among it. No events are read while folders
// are being looked at: they wait in the kernel's queue.
Task<void> Watches::drain() {
  while (inotify_ && read_some()) {
    co_await look_at_discoveries();
    co_await asio::post(asio::use_awaitable);  // a flood of events must not keep others waiting
  }
  for (Watch* watch : watches_) watch->settle();
  drop_unused();
  end_if_unused();
}

bool Watches::read_some() {
  alignas(inotify_event) char buffer[kBufferBytes];
  const ssize_t size = ::read(inotify_->native_handle(), buffer, sizeof buffer);
  if (size <= 0) return size < 0 && errno == EINTR;
  std::vector<const inotify_event*> events;
  std::set<std::uint32_t> arrivals;
  for (ssize_t at = 0; at < size;) {
    events.push_back(reinterpret_cast<const inotify_event*>(buffer + at));
    at += static_cast<ssize_t>(sizeof(inotify_event) + events.back()->len);
    if (events.back()->mask & IN_MOVED_TO) arrivals.insert(events.back()->cookie);
  }
  for (Watch* watch : watches_) watch->let_go_of_moved_away(arrivals);
  for (const inotify_event* event : events) dispatch(*event);
  return true;
}

void Watches::dispatch(const inotify_event& event) {
  if (event.mask & IN_Q_OVERFLOW) {
    for (Watch* watch : watches_) {
      watch->lose();
      // New folders may be among what was lost.
      discoveries_.push_back({.watch = watch->shared_from_this(), .folder = "", .tell = false});
    }
    return;
  }
  const auto found = by_descriptor_.find(event.wd);
  if (found == by_descriptor_.end()) return;
  const std::vector<Watch*> watchers = found->second;  // the list may change under it
  for (Watch* watch : watchers) watch->handle(event);
}

Task<void> Watches::look_at_discoveries() {
  while (!discoveries_.empty()) {
    const std::vector<Discovery> batch = std::exchange(discoveries_, {});
    for (const Discovery& discovery : batch) {
      const auto found = co_await scan(discovery.watch, discovery.folder, discovery.tell);
      if (found) discovery.watch->add(*found, discovery.tell);
      // Gone again is no loss; a folder that cannot be watched is.
      if (!found && found.error().kind == Kind::exhausted) discovery.watch->lose();
    }
  }
}

Task<FileResult<WatchScan>> Watches::scan(std::shared_ptr<Watch> watch, std::string folder,
                                          bool list_names) {
  WatchOrder order{
      .root = watch->path(),
      .top = std::move(folder),
      .recursive = watch->recursive_,
      .list_names = list_names,
      .folders_max = kWatchedFoldersMax - std::min(kWatchedFoldersMax, watch->folders_.size())};
  const auto inotify = inotify_;
  ++scans_;
  auto work = [inotify, order = std::move(order)] {
    return scan_and_watch(inotify->native_handle(), order);
  };
  auto found = co_await work_.run(watch->user(), std::move(work));
  --scans_;
  co_return found;
}

void Watches::release(Watch& watch) {
  std::erase(watches_, &watch);
  while (!watch.folders_.empty()) release_folder(watch, watch.folders_.begin()->first);
  drop_unused();
  end_if_unused();
}

void Watches::release_folder(Watch& watch, int descriptor) {
  watch.folders_.erase(descriptor);
  const auto found = by_descriptor_.find(descriptor);
  if (found == by_descriptor_.end()) return;
  std::erase(found->second, &watch);
  if (!found->second.empty()) return;
  by_descriptor_.erase(found);
  unused_.push_back(descriptor);
}

// Not while a scan is under way: the kernel gives it the same descriptor for the same folder.
void Watches::drop_unused() {
  if (scans_ > 0) return;
  for (int descriptor : std::exchange(unused_, {})) {
    if (inotify_ && !by_descriptor_.contains(descriptor)) {
      ::inotify_rm_watch(inotify_->native_handle(), descriptor);
    }
  }
}

void Watches::end_if_unused() {
  if (!watches_.empty() || !inotify_ || scans_ > 0) return;
  boost::system::error_code ignored;
  inotify_->close(ignored);
  inotify_.reset();
}

}  // namespace matrx::agent
