#include "agent/proc_table.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>

namespace matrx::agent {
namespace {

bool parse(const std::string& text, ProcEntry& entry) {
  return parse_stat(text.data(), text.size(), entry);
}

// A stat line: fields 5 to 21 are numbers that nobody asks for.
std::string stat_line(const std::string& name) {
  return "123 (" + name + ") S 45 1 2 -3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 777 18 19";
}

TEST(ParseStat, ReadsWhatIsNeeded) {
  ProcEntry entry;
  ASSERT_TRUE(parse(stat_line("bash"), entry));
  EXPECT_EQ(entry.pid, 123);
  EXPECT_EQ(entry.parent, 45);
  EXPECT_EQ(entry.state, 'S');
  EXPECT_EQ(entry.started, 777U);
}

TEST(ParseStat, ANameMayLookLikeAnything) {
  for (const char* name : {"", ")", ") Z 1 (", "a b", "((", ") R 1 1 1 1", "\n\t\xff"}) {
    ProcEntry entry;
    ASSERT_TRUE(parse(stat_line(name), entry)) << name;
    EXPECT_EQ(entry.parent, 45) << name;
    EXPECT_EQ(entry.started, 777U) << name;
  }
}

TEST(ParseStat, RefusesEveryShorterText) {
  const std::string whole = stat_line("x").substr(0, stat_line("x").find(" 777"));
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    ProcEntry entry;
    EXPECT_FALSE(parse(whole.substr(0, size), entry)) << size;
  }
}

TEST(ProcTable, ShowsThisProcessAndItsParent) {
  ProcTable table;
  ASSERT_TRUE(table.read());
  const ProcEntry* self = table.find(::getpid());
  ASSERT_NE(self, nullptr);
  EXPECT_EQ(self->parent, ::getppid());
  EXPECT_GT(self->started, 0U);
  EXPECT_EQ(table.find(0), nullptr);
}

// A child that waits until it is killed, with a child of its own that does the same.
class FamilyTest : public testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    child_ = ::fork();
    if (child_ == 0) {
      const pid_t grandchild = ::fork();
      if (grandchild > 0) (void)!::write(ends[1], &grandchild, sizeof grandchild);
      for (;;) ::pause();
    }
    ASSERT_EQ(::read(ends[0], &grandchild_, sizeof grandchild_), ssize_t{sizeof grandchild_});
    ::close(ends[0]);
    ::close(ends[1]);
  }
  void TearDown() override {
    ::kill(grandchild_, SIGKILL);
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  std::vector<pid_t> descendants(std::vector<pid_t> spared) {
    ProcTable table;
    EXPECT_TRUE(table.read());
    table.keep_descendants(::getpid(), spared);
    std::vector<pid_t> pids;
    for (const ProcEntry& entry : table.entries()) pids.push_back(entry.pid);
    return pids;
  }

  pid_t child_ = -1, grandchild_ = -1;
};

TEST_F(FamilyTest, DescendantsAreFoundToAnyDepth) {
  const auto found = descendants({});
  EXPECT_TRUE(std::ranges::count(found, child_) == 1);
  EXPECT_TRUE(std::ranges::count(found, grandchild_) == 1);
  EXPECT_TRUE(std::ranges::count(found, ::getpid()) == 0);
  EXPECT_TRUE(std::ranges::count(found, ::getppid()) == 0);
}

TEST_F(FamilyTest, WhoIsSparedIsSparedWithItsDescendants) {
  const auto found = descendants({child_});
  EXPECT_EQ(std::ranges::count(found, child_), 0);
  EXPECT_EQ(std::ranges::count(found, grandchild_), 0);
}

TEST_F(FamilyTest, ASignalGoesOnlyToThatVeryProcess) {
  ProcTable table;
  ASSERT_TRUE(table.read());
  ProcEntry other = *table.find(child_);
  ++other.started;  // as if the number had been given away
  signal_exactly(other, SIGKILL);
  EXPECT_EQ(::waitpid(child_, nullptr, WNOHANG), 0);
  signal_exactly(*table.find(child_), SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(child_, &status, 0), child_);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  child_ = grandchild_;  // nothing left to reap
}

}  // namespace
}  // namespace matrx::agent
