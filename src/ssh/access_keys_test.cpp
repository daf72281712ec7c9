// What a key opens, and what it does not.

#include "ssh/access_keys.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "ssh/forward.hpp"

namespace matrx::ssh {
namespace {

const TimePoint kNow = from_unix_ms(1'763'757'600'000);

class AccessKeysTest : public testing::Test {
 public:
  AccessKeysTest() {
    std::string name = testing::TempDir() + "ssh-keys-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~AccessKeysTest() override { std::filesystem::remove_all(folder_); }

 protected:
  AccessKeys open() { return AccessKeys::open(folder_, random_).value(); }
  static KeyHandle read_key(const AccessGrant& grant) {
    ssh_key key = nullptr;
    ssh_pki_import_privkey_base64(grant.private_key.c_str(), nullptr, nullptr, nullptr, &key);
    return KeyHandle(key);
  }
  bool opens(const AccessKeys& keys, const std::string& name, const AccessGrant& grant,
             TimePoint now = kNow) {
    return keys.check(name, read_key(grant).get(), now).has_value();
  }

  std::string folder_;
  SeededRandom random_{7};
  const SandboxId box_ = SandboxId::make(random_), other_ = SandboxId::make(random_);
};

TEST_F(AccessKeysTest, AKeyOpensItsSandboxUntilItsEnd) {
  const auto keys = open();
  const auto grant = keys.grant(box_, kNow + seconds(60)).value();
  EXPECT_EQ(keys.check(grant.username, read_key(grant).get(), kNow).value(), box_);
  EXPECT_TRUE(opens(keys, grant.username, grant, kNow + seconds(59)));
  EXPECT_FALSE(opens(keys, grant.username, grant, kNow + seconds(60)));
  EXPECT_TRUE(grant.private_key.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
  EXPECT_TRUE(grant.host_key.starts_with("ssh-ed25519 AAAA"));
  EXPECT_TRUE(grant.host_key_fingerprint.starts_with("SHA256:"));
}

TEST_F(AccessKeysTest, ANameFitsItsOwnKeyOnly) {
  const auto keys = open();
  const auto grant = keys.grant(box_, kNow + seconds(60)).value();
  const auto again = keys.grant(box_, kNow + seconds(60)).value();
  const auto other = keys.grant(other_, kNow + seconds(60)).value();
  EXPECT_NE(grant.private_key, again.private_key);
  EXPECT_FALSE(opens(keys, grant.username, again));
  EXPECT_FALSE(opens(keys, grant.username, other));
  std::string made_up = other.username;
  made_up.replace(0, box_.text().size(), box_.text());
  EXPECT_FALSE(opens(keys, made_up, other));
  std::string longer = grant.username;
  longer.replace(longer.find('.') + 1, 10, "4102444800");
  EXPECT_FALSE(opens(keys, longer, grant));
  for (const char* name : {"", "agent", "root", "..", "sbx-0123456789ab"}) {
    EXPECT_FALSE(opens(keys, name, grant)) << name;
  }
}

TEST_F(AccessKeysTest, ARestartForgetsNothing) {
  const auto before = open();
  const auto grant = before.grant(box_, kNow + seconds(60)).value();
  const auto after = open();
  EXPECT_TRUE(opens(after, grant.username, grant));
  EXPECT_EQ(after.fingerprint(), before.fingerprint());
  for (const char* name : {"/host_key", "/access_secret"}) {
    struct stat info{};
    ASSERT_EQ(::stat((folder_ + name).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600U) << name;
  }
}

TEST_F(AccessKeysTest, AnotherSecretEndsAllKeys) {
  const auto grant = open().grant(box_, kNow + seconds(60)).value();
  std::filesystem::remove(folder_ + "/access_secret");
  EXPECT_FALSE(opens(open(), grant.username, grant));
}

TEST_F(AccessKeysTest, BrokenFilesStopTheStart) {
  (void)open();
  std::ofstream(folder_ + "/access_secret") << "short";
  EXPECT_FALSE(AccessKeys::open(folder_, random_).has_value());
  std::filesystem::remove(folder_ + "/access_secret");
  std::ofstream(folder_ + "/host_key") << "no key";
  const auto opened = AccessKeys::open(folder_, random_);
  ASSERT_FALSE(opened.has_value());
  EXPECT_NE(opened.error().message.find("host_key"), std::string::npos);
}

TEST(Forward, OnlyTheSandboxItselfIsMeant) {
  for (const char* host : {"localhost", "127.0.0.1", "::1", "[::1]"}) {
    EXPECT_TRUE(is_loopback_name(host)) << host;
  }
  for (const char* host : {"", "169.254.169.254", "example.com", "localhost.example.com", "0"}) {
    EXPECT_FALSE(is_loopback_name(host)) << host;
  }
}

}  // namespace
}  // namespace matrx::ssh
