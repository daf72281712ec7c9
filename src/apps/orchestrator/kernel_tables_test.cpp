#include "apps/orchestrator/kernel_tables.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

namespace matrx {
namespace {

std::vector<std::string> small_of(const std::map<std::string, std::string>& files) {
  std::vector<std::string> names;
  const auto read = [&files](const std::string& path) {
    const auto found = files.find(path);
    return found == files.end() ? "" : found->second;
  };
  for (const SmallTable& table : small_kernel_tables(read)) names.push_back(table.name);
  return names;
}

TEST(KernelTables, ThoseOfDebianAreSmall) {
  const std::vector<std::string> small = {"fs.inotify.max_user_instances", "kernel.pty.max",
                                          "fs.aio-max-nr"};
  EXPECT_EQ(small_of({{"/proc/sys/fs/inotify/max_user_instances", "128\n"},
                      {"/proc/sys/fs/inotify/max_user_watches", "1048576\n"},
                      {"/proc/sys/kernel/pty/max", "4096\n"},
                      {"/proc/sys/fs/aio-max-nr", "65536\n"}}),
            small);
}

// The kernel's files say that they are empty.
TEST(KernelTables, ThoseOfThisMachineAreRead) {
  EXPECT_GT(std::atoi(read_kernel_number("/proc/sys/kernel/pty/max").c_str()), 0);
  EXPECT_EQ(read_kernel_number("/proc/sys/no/such"), "");
}

TEST(KernelTables, WhatCannotBeReadSaysNothing) {
  EXPECT_TRUE(small_of({}).empty());
  EXPECT_TRUE(small_of({{"/proc/sys/kernel/pty/max", "many\n"}}).empty());
  EXPECT_TRUE(small_of({{"/proc/sys/kernel/pty/max", "32768\n"}}).empty());
}

}  // namespace
}  // namespace matrx
