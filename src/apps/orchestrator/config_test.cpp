#include "apps/orchestrator/config.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "apps/orchestrator/data_dir.hpp"

namespace matrx {
namespace {

Result<Config> read(std::map<std::string, std::string> set) {
  return read_config([set = std::move(set)](const std::string& name) {
    const auto found = set.find(name);
    return found == set.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(Config, DefaultsAreThoseOfTheContract) {
  const Config config = read({}).value();
  EXPECT_EQ(config.host, "127.0.0.1") << "open to everybody, so not to everybody's network";
  EXPECT_EQ(config.port, 8000);
  EXPECT_EQ(config.store, "memory");
  EXPECT_EQ(config.api_key_header, "X-API-Key");
  EXPECT_TRUE(config.api_keys.empty());
  EXPECT_EQ(config.memory_limit_bytes, 4LL << 30);
  EXPECT_EQ(config.session_seconds, 7200);
  EXPECT_EQ(config.docker_host, "unix:///var/run/docker.sock");
}

TEST(Config, SshIsOffUnlessItHasAPort) {
  EXPECT_FALSE(read({}).value().ssh_port.has_value());
  EXPECT_FALSE(read({{"MATRX_SSH_PORT", ""}}).value().ssh_port.has_value());
  EXPECT_EQ(read({{"MATRX_SSH_PORT", "2222"}}).value().ssh_port, 2222);
  EXPECT_EQ(read({{"MATRX_SSH_ADDRESS", "box.example.com"}}).value().ssh_address,
            "box.example.com");
}

TEST(Config, SeveralKeys) {
  EXPECT_EQ(read({{"MATRX_API_KEY", "first-of-keys, second-of-keys,,third-of-keys "}})->api_keys,
            (std::vector<std::string>{"first-of-keys", "second-of-keys", "third-of-keys"}));
}

// A template whose secret is missing must not open the API.
TEST(Config, AListThatNamesNoKeyIsNoWordForNone) {
  EXPECT_TRUE(read({{"MATRX_API_KEY", ""}}));
  for (const char* list : {" ", ",", " , ,", "\t"}) {
    const auto config = read({{"MATRX_API_KEY", list}});
    ASSERT_FALSE(config) << "'" << list << "'";
    EXPECT_NE(config.error().message.find("MATRX_API_KEY"), std::string::npos);
    EXPECT_EQ(config.error().message.find('\n'), std::string::npos);
  }
}

TEST(Config, KeysAreLongAndCanBeSent) {
  for (const std::string& bad :
       {std::string("eleven-char"), std::string("long-enough-1, short"),
        std::string("with a blank in it"), std::string("with-\x01-control"),
        std::string("schlüssel-lang"), std::string(1025, 'k')}) {
    const auto config = read({{"MATRX_API_KEY", bad}});
    ASSERT_FALSE(config) << bad;
    EXPECT_EQ(config.error().message.find(bad), std::string::npos) << "it is a secret";
  }
  EXPECT_TRUE(read({{"MATRX_API_KEY", "twelve-chars"}}));
  const auto here = read({{"MATRX_API_KEY", "k"}, {"MATRX_HOST", "127.0.0.1"}});
  ASSERT_TRUE(here);
  EXPECT_TRUE(has_short_key(*here));
  EXPECT_TRUE(read({{"MATRX_API_KEY", std::string(1024, 'k')}}));
}

TEST(Config, WithoutAKeyItListensHereUnlessItIsTold) {
  const std::pair<const char*, const char*> key{"MATRX_API_KEY", "a-key-that-is-long"};
  EXPECT_EQ(read({key})->host, "0.0.0.0");
  EXPECT_EQ(read({})->host, "127.0.0.1");
  EXPECT_EQ(read({{"MATRX_HOST", "0.0.0.0"}})->host, "0.0.0.0");
  EXPECT_EQ(read({key, {"MATRX_HOST", "10.0.0.1"}})->host, "10.0.0.1");
}

TEST(Config, PublicOriginsAreOrigins) {
  EXPECT_EQ(read({{"MATRX_PUBLIC_ORIGINS", "https://a.example, http://b:8000"}})->public_origins,
            (std::vector<std::string>{"https://a.example", "http://b:8000"}));
  for (const char* bad : {"a.example", "https://", "https://a.example/", "https://*.example"}) {
    EXPECT_FALSE(read({{"MATRX_PUBLIC_ORIGINS", bad}})) << bad;
  }
}

TEST(Config, AWrongValueNamesItsVariable) {
  const std::map<std::string, std::string> wrong = {{"MATRX_PORT", "65536"},
                                                    {"MATRX_SSH_PORT", "2222x"},
                                                    {"MATRX_SSH_ADDRESS", "host; rm -r x"},
                                                    {"MATRX_LOG_LEVEL", "loudest"},
                                                    {"MATRX_LOG_FORMAT", "xml"},
                                                    {"MATRX_CONTAINER_CPU_LIMIT", "0"},
                                                    {"MATRX_CONTAINER_MEMORY_LIMIT", "1k"},
                                                    {"MATRX_SANDBOX_STORE", "paper"},
                                                    {"MATRX_MAX_TTL_SECONDS", "-1"},
                                                    {"MATRX_DATA_DIR", "here"},
                                                    {"MATRX_HOST", ""},
                                                    {"MATRX_FIREWALL", "maybe"},
                                                    {"MATRX_ISOLATION", "none"},
                                                    {"MATRX_DOCKER_NETWORK", "host"},
                                                    {"MATRX_MAX_SANDBOXES", "-1"},
                                                    {"MATRX_MAX_SANDBOXES_PER_USER", "many"},
                                                    {"MATRX_HOST_MEMORY_RESERVE", "5%"},
                                                    {"MATRX_EGRESS_ALLOW", "10.0.0.0/8, ::1"},
                                                    {"MATRX_COMMAND_TIMEOUT_SECONDS", "1e3"}};
  for (const auto& [name, value] : wrong) {
    const auto config = read({{name, value}});
    ASSERT_FALSE(config) << name;
    EXPECT_NE(config.error().message.find(name), std::string::npos);
    EXPECT_EQ(config.error().message.find('\n'), std::string::npos);
  }
}

// Sandboxes there would have no walls: no rule tells them from the host, or from others.
TEST(Config, SandboxesAreOnANetworkOfTheirOwn) {
  for (const char* name : {"host", "none", "bridge", "default", "ingress", "container:abc", "ns:/x",
                           "", "-x", ".x", "a/b", "a b", "a?b"}) {
    const auto config = read({{"MATRX_DOCKER_NETWORK", name}});
    ASSERT_FALSE(config) << name;
    EXPECT_TRUE(config.error().message.contains("MATRX_DOCKER_NETWORK")) << name;
  }
  EXPECT_EQ(read({{"MATRX_DOCKER_NETWORK", "Host_2.x-y"}})->docker_network, "Host_2.x-y");
}

TEST(Config, ThereIsAlwaysALimitOfSandboxesUnlessSomebodySaysNone) {
  EXPECT_EQ(read({})->sandboxes_max, 1000);
  EXPECT_EQ(read({})->sandboxes_of_user_max, 0);
  EXPECT_EQ(read({{"MATRX_MAX_SANDBOXES", "0"}})->sandboxes_max, 0);
  EXPECT_EQ(read({})->host_memory_reserve_bytes, 256LL << 20);
  EXPECT_EQ(read({{"MATRX_HOST_MEMORY_RESERVE", "0"}})->host_memory_reserve_bytes, 0);
}

TEST(Config, RangesThatAreAllowedAreAList) {
  const auto config = read({{"MATRX_EGRESS_ALLOW", " 10.0.0.0/8,,192.168.1.7 "}});
  ASSERT_TRUE(config);
  EXPECT_EQ(config->egress_allow, (std::vector<std::string>{"10.0.0.0/8", "192.168.1.7"}));
  std::string many;
  for (int i = 0; i < 65; ++i) many += "10.0.0." + std::to_string(i) + ",";
  EXPECT_FALSE(read({{"MATRX_EGRESS_ALLOW", many}}));
}

TEST(Config, ALifetimeFitsUnderItsCeiling) {
  EXPECT_FALSE(read({{"MATRX_MAX_TTL_SECONDS", "60"}}));
  EXPECT_TRUE(
      read({{"MATRX_MAX_TTL_SECONDS", "60"}, {"MATRX_MAX_SESSION_DURATION_SECONDS", "60"}}));
}

class DataDirTest : public testing::Test {
 protected:
  DataDirTest() {
    std::string name = (std::filesystem::temp_directory_path() / "matrx-data-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~DataDirTest() override { std::filesystem::remove_all(path_); }

  std::string path_;
  SystemRandom random_;
};

TEST_F(DataDirTest, HasOneOwner) {
  const auto first = DataDir::open(path_, random_);
  ASSERT_TRUE(first);
  const auto second = DataDir::open(path_, random_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::conflict);
}

TEST_F(DataDirTest, KeepsItsInstallation) {
  const std::string first = DataDir::open(path_, random_).value()->installation();
  EXPECT_EQ(DataDir::open(path_, random_).value()->installation(), first);
}

// Another name would make strangers of all its sandboxes.
TEST_F(DataDirTest, TakesNoNewNameWhereTheOldOneCannotBeRead) {
  const std::string name = DataDir::open(path_, random_).value()->installation();
  const std::string file = path_ + "/installation";
  std::filesystem::resize_file(file, 0);
  const auto torn = DataDir::open(path_, random_);
  ASSERT_FALSE(torn);
  EXPECT_NE(torn.error().message.find("it is empty"), std::string::npos) << torn.error().message;
  std::filesystem::remove(file);
  std::filesystem::create_directory(file);
  EXPECT_FALSE(DataDir::open(path_, random_));
  std::filesystem::remove(file);
  std::ofstream(file) << name << "\n";
  EXPECT_EQ(DataDir::open(path_, random_).value()->installation(), name);
}

TEST_F(DataDirTest, ReplacesTheAgentWithoutTouchingTheOldOne) {
  const auto dir = DataDir::open(path_, random_).value();
  const auto installed = dir->install_agent("/bin/true").value();
  const auto open_by_a_sandbox = std::filesystem::file_size(installed);
  ASSERT_TRUE(dir->install_agent("/bin/sh"));
  EXPECT_EQ(std::filesystem::file_size(installed), std::filesystem::file_size("/bin/sh"));
  EXPECT_EQ(open_by_a_sandbox, std::filesystem::file_size("/bin/true"));
  EXPECT_FALSE(dir->install_agent("/no/such/agent"));
}

}  // namespace
}  // namespace matrx
