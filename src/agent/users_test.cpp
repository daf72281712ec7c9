#include "agent/users.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "agent/environment.hpp"

namespace matrx::agent {
namespace {

constexpr std::string_view kPasswd =
    "root:x:0:0:root:/root:/bin/bash\n"
    "# a comment:x:1:1::/:/bin/sh\n"
    "broken line\n"
    "agent:x:1001:1002:An Agent,,,:/home/agent:/bin/zsh\r\n"
    "odd:x:7:7::relative:nologin\n"
    "1003:x:55:55::/fifty:/bin/sh\n"
    "third:x:1003:3::/third:/bin/sh\n"
    "agent:x:9:9::/other:/bin/sh";

TEST(Passwd, ReadsALine) {
  const auto user = parse_passwd_line("a:x:1000:1001:Full Name:/home/a:/bin/bash");
  ASSERT_TRUE(user);
  EXPECT_EQ(user->name, "a");
  EXPECT_EQ(user->uid, 1000U);
  EXPECT_EQ(user->gid, 1001U);
  EXPECT_EQ(user->home, "/home/a");
  EXPECT_EQ(user->shell, "/bin/bash");
}

TEST(Passwd, RefusesBrokenLines) {
  for (const std::string_view line : {
           std::string_view(""),
           std::string_view("#a:x:1:1::/:/bin/sh"),
           std::string_view("a:x:1:1::/"),
           std::string_view("a:x:1:1::/:/bin/sh:more"),
           std::string_view(":x:1:1::/:/bin/sh"),
           std::string_view("a:x::1::/:/bin/sh"),
           std::string_view("a:x:-1:1::/:/bin/sh"),
           std::string_view("a:x:1x:1::/:/bin/sh"),
           std::string_view("a:x:4294967295:1::/:/bin/sh"),  // means "unchanged" to setresuid
           std::string_view("a:x:4294967296:1::/:/bin/sh"),
           std::string_view("a:x:1:99999999999::/:/bin/sh"),
           std::string_view("a\0b:x:1:1::/:/bin/sh", 21),
       }) {
    EXPECT_FALSE(parse_passwd_line(line)) << line;
  }
}

TEST(Passwd, UnusablePathsGetDefaults) {
  const auto user = find_user(kPasswd, "odd");
  ASSERT_TRUE(user);
  EXPECT_EQ(user->home, "/");
  EXPECT_EQ(user->shell, "/bin/sh");
}

TEST(Passwd, TheFirstMatchCounts) {
  EXPECT_EQ(find_user(kPasswd, "agent")->uid, 1001U);
  EXPECT_EQ(find_user(kPasswd, "agent")->shell, "/bin/zsh");  // without the carriage return
}

TEST(Passwd, ANameGoesBeforeANumber) {
  EXPECT_EQ(find_user(kPasswd, "1003")->home, "/fifty");
  EXPECT_EQ(find_user(kPasswd, "1001")->name, "agent");
  EXPECT_FALSE(find_user(kPasswd, "1004"));
  EXPECT_FALSE(find_user(kPasswd, ""));
  EXPECT_FALSE(find_user(kPasswd, "-1"));
}

TEST(Groups, ListsThoseOfTheUserButNotThePrimaryOne) {
  constexpr std::string_view kGroup =
      "docker:x:999:root,agent\n"
      "agent:x:1002:agent\n"
      "#x:x:3:agent\n"
      "agents:x:4:agents,other\n"
      "twice:x:999:agent\n"
      "bad:x:no:agent\n"
      "short:x:5\n"
      "last:x:6:agent\r\n";
  EXPECT_EQ(find_groups(kGroup, "agent", 1002), (std::vector<gid_t>{999, 6}));
  EXPECT_TRUE(find_groups(kGroup, "nobody", 1).empty());
}

class EtcTest : public testing::Test {
 protected:
  EtcTest() {
    std::string name = (std::filesystem::temp_directory_path() / "matrx-etc-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~EtcTest() override { std::filesystem::remove_all(folder_); }
  void write(const char* name, std::string_view text) { std::ofstream(folder_ / name) << text; }
  Result<User> find(std::string_view who) { return Users(folder_.string()).find(who); }

  std::filesystem::path folder_;
};

TEST_F(EtcTest, TheDefaultUserIsAgentElseTheFirstOrdinaryElseRoot) {
  EXPECT_EQ(find("")->name, "root");
  write("passwd", "someone:x:1000:1000::/home/someone:/bin/sh\n");
  EXPECT_EQ(find("")->name, "someone");
  write("passwd", "someone:x:1000:1::/:/bin/sh\nagent:x:7:7::/home/agent:/bin/sh\n");
  EXPECT_EQ(find("")->name, "agent");
}

TEST_F(EtcTest, RootAlwaysExists) {
  EXPECT_EQ(find("root")->uid, 0U);
  EXPECT_EQ(find("0")->home, "/root");
  write("passwd", "root:x:0:0::/elsewhere:/bin/ash\n");
  EXPECT_EQ(find("root")->home, "/elsewhere");
}

TEST_F(EtcTest, AnUnknownUserIsNamedInValidUtf8) {
  const auto user = find(
      "no\xff"
      "body");
  ASSERT_FALSE(user);
  EXPECT_EQ(user.error().code, Code::not_found);
  EXPECT_NE(user.error().message.find("no\xEF\xBF\xBD"
                                      "body"),
            std::string::npos);
  EXPECT_LT(find(std::string(100'000, 'x')).error().message.size(), 200U);
}

TEST_F(EtcTest, GroupsComeAlong) {
  write("passwd", "agent:x:7:7::/home/agent:/bin/sh\n");
  write("group", "wheel:x:10:agent\n");
  EXPECT_EQ(find("agent")->groups, std::vector<gid_t>{10});
}

TEST_F(EtcTest, APipeInPlaceOfAFileIsNotWaitedFor) {
  ASSERT_EQ(::mkfifo((folder_ / "passwd").c_str(), 0600), 0);
  EXPECT_EQ(find("root")->uid, 0U);
  EXPECT_EQ(read_small_file((folder_ / "passwd").string()), "");
}

// --- Environment -------------------------------------------------------------------------------

User an_agent() {
  return {.name = "agent", .uid = 7, .gid = 7, .home = "/home/agent", .shell = "/bin/zsh"};
}

TEST(Environment, HasTheUsersOwnAndDefaults) {
  const Pairs environment = login_environment({}, an_agent(), {});
  EXPECT_EQ(value_of(environment, "HOME"), "/home/agent");
  EXPECT_EQ(value_of(environment, "USER"), "agent");
  EXPECT_EQ(value_of(environment, "LOGNAME"), "agent");
  EXPECT_EQ(value_of(environment, "SHELL"), "/bin/zsh");
  EXPECT_EQ(value_of(environment, "LANG"), "C.UTF-8");
  EXPECT_NE(value_of(environment, "PATH").find("/usr/bin"), std::string_view::npos);
}

TEST(Environment, LaterOnesOverrideOnce) {
  const Pairs environment = login_environment(
      {{"PATH", "/image"}, {"HOME", "/wrong"}, {"LANG", "de_DE"}, {"TERM", "xterm"}, {"A", "1"}},
      an_agent(), {{"A", "2"}, {"USER", "me"}});
  EXPECT_EQ(value_of(environment, "PATH"), "/image");
  EXPECT_EQ(value_of(environment, "HOME"), "/home/agent");
  EXPECT_EQ(value_of(environment, "LANG"), "de_DE");
  EXPECT_EQ(value_of(environment, "TERM"), "");
  EXPECT_EQ(value_of(environment, "USER"), "me");
  EXPECT_EQ(
      std::ranges::count(environment, std::string("A"), [](const auto& p) { return p.first; }), 1);
}

TEST(Environment, WhatTheKernelCannotTakeIsLeftOut) {
  const Pairs environment = login_environment(
      {}, an_agent(),
      {{"", "x"}, {"A=B", "x"}, {std::string("N\0", 2), "x"}, {"V", std::string("x\0y", 3)}});
  for (const auto& line : to_lines(environment)) {
    EXPECT_EQ(line.find('\0'), std::string::npos);
    EXPECT_NE(line.front(), '=');
    EXPECT_FALSE(line.starts_with("A="));
  }
}

TEST(Environment, GoesThroughLinesAndBack) {
  const char* const lines[] = {"A=1", "B=x=y", "=odd", "odd", "C=", nullptr};
  const Pairs environment = from_lines(lines);
  EXPECT_EQ(environment, (Pairs{{"A", "1"}, {"B", "x=y"}, {"C", ""}}));
  EXPECT_EQ(to_lines(environment), (std::vector<std::string>{"A=1", "B=x=y", "C="}));
  EXPECT_TRUE(from_lines(nullptr).empty());
}

TEST(Environment, DirectoriesStartAtTheHome) {
  const User user = an_agent();
  EXPECT_EQ(resolve_directory(user, "/tmp"), "/tmp");
  EXPECT_EQ(resolve_directory(user, "~"), "/home/agent");
  EXPECT_EQ(resolve_directory(user, "~/x"), "/home/agent/x");
  EXPECT_EQ(resolve_directory(user, "x/y"), "/home/agent/x/y");
  User root = user;
  root.home = "/";
  EXPECT_EQ(resolve_directory(root, "x"), "/x");
}

}  // namespace
}  // namespace matrx::agent
