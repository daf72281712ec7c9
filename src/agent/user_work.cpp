#include "agent/user_work.hpp"

#include <grp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <exception>
#include <vector>

#include "agent/limits.hpp"
#include "async/offload.hpp"

namespace matrx::agent {
namespace {

// Plain system calls, all of them: the C library's setgroups() would change every thread.
// setfsuid() and setfsgid() answer what was before, whether it worked or not.
uid_t take_uid(uid_t uid) {
  ::syscall(SYS_setfsuid, uid);
  return static_cast<uid_t>(::syscall(SYS_setfsuid, static_cast<uid_t>(-1)));
}

gid_t take_gid(gid_t gid) {
  ::syscall(SYS_setfsgid, gid);
  return static_cast<gid_t>(::syscall(SYS_setfsgid, static_cast<gid_t>(-1)));
}

bool take_groups(const std::vector<gid_t>& groups) {
  return ::syscall(SYS_setgroups, groups.size(), groups.data()) == 0;
}

// Our own supplementary groups, asked once.
const std::vector<gid_t>& own_groups() {
  static const std::vector<gid_t> groups = [] {
    std::vector<gid_t> list(kGroupsMax);
    const int count = ::getgroups(static_cast<int>(list.size()), list.data());
    list.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return list;
  }();
  return groups;
}

void become_ourselves() {
  // A thread that stays somebody else would do the next one's work with his rights: better none.
  const bool back = take_uid(::geteuid()) == ::geteuid() && take_gid(::getegid()) == ::getegid();
  if (!back || !take_groups(own_groups())) std::terminate();
}

}  // namespace

Identity::Identity(const User& user) {
  // Nothing to change then, and perhaps not allowed to.
  if (user.uid == ::geteuid() && user.gid == ::getegid()) return;
  (void)own_groups();
  if (!take_groups(user.groups)) {
    taken_ = false;
    return;
  }
  changed_ = true;
  // The user id last: with it the thread loses its capabilities over files.
  taken_ = take_gid(user.gid) == user.gid && take_uid(user.uid) == user.uid;
}

Identity::~Identity() {
  if (changed_) become_ourselves();
}

UserWork::UserWork() : pool_(kFileThreads) {}

Task<void> UserWork::run_as(std::optional<User> user, Work work) {
  auto act = [user = std::move(user), work = std::move(work)]() mutable {
    if (!user) {
      work(nullptr);
      return true;
    }
    const Identity identity(*user);
    const FileError refusal{FileError::Kind::forbidden,
                            "The agent may not act as '" + user->name + "': it is not root."};
    work(identity.taken() ? nullptr : &refusal);
    return true;
  };
  (void)co_await offload(pool_, std::move(act));
}

}  // namespace matrx::agent
