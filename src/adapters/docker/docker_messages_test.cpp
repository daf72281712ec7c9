#include "adapters/docker/docker_messages.hpp"

#include <gtest/gtest.h>

#include "wire/json.hpp"

namespace matrx::docker {
namespace {

ContainerSpec a_spec() {
  return {.id = *SandboxId::parse("sbx-0123456789ab"),
          .user_id = "u",
          .image = "img",
          .env = {{"A", "b"}},
          .resources = {.cpu = 1.5, .memory_bytes = 1 << 29, .pids = 77}};
}

DockerSettings settings() {
  DockerSettings s;
  s.installation = "inst-1";
  s.network = "net";
  s.sandboxes_dir = "/data/sandboxes";
  s.agent_path = "/data/matrx-agent";
  return s;
}

TEST(CreateBody, HasLimitsLabelsAndFewCapabilities) {
  const auto body = json::parse(create_body(a_spec(), settings(), "inst-1")).value();
  const auto& host = body.at("HostConfig");
  EXPECT_EQ(host.at("NanoCpus"), 1'500'000'000);
  EXPECT_EQ(host.at("Memory"), 1 << 29);
  EXPECT_EQ(host.at("MemorySwap"), 1 << 29);
  EXPECT_EQ(host.at("PidsLimit"), 77);
  EXPECT_EQ(host.at("NetworkMode"), "net");
  EXPECT_EQ(host.at("CapDrop").at(0), "ALL");
  for (const auto& capability : host.at("CapAdd").as_array()) {
    EXPECT_NE(capability, "SYS_ADMIN");
    EXPECT_NE(capability, "NET_RAW");
    EXPECT_NE(capability, "SYS_PTRACE");
  }
  EXPECT_EQ(host.at("Binds").at(0), "/data/matrx-agent:/opt/matrx/matrx-agent:ro");
  EXPECT_EQ(host.at("Binds").at(1), "/data/sandboxes/sbx-0123456789ab/run:/run/matrx");
  EXPECT_EQ(body.at("Labels").at("matrx.sandbox_id"), "sbx-0123456789ab");
  EXPECT_EQ(body.at("Labels").at("matrx.installation"), "inst-1");
  EXPECT_EQ(body.at("Env").at(0), "A=b");
}

TEST(CreateBody, StrictHasNoRightsAtAll) {
  DockerSettings strict = settings();
  strict.is_strict = true;
  const auto body = json::parse(create_body(a_spec(), strict, "inst-1")).value();
  const auto& host = body.at("HostConfig");
  EXPECT_EQ(body.at("User"), "1000:1000");
  EXPECT_EQ(host.at("CapDrop").at(0), "ALL");
  EXPECT_FALSE(host.as_object().contains("CapAdd"));
  EXPECT_EQ(host.at("SecurityOpt").at(0), "no-new-privileges");
  EXPECT_EQ(host.at("ReadonlyRootfs"), true);
  EXPECT_TRUE(host.at("Tmpfs").as_object().contains("/tmp"));
}

TEST(CreateBody, WithoutEgressThereIsNoNetwork) {
  ContainerSpec spec = a_spec();
  spec.egress = Egress::none;
  const auto body = json::parse(create_body(spec, settings(), "inst-1")).value();
  EXPECT_EQ(body.at("HostConfig").at("NetworkMode"), "none");
}

TEST(CreateBody, NamesARuntimeOnlyWhereOneIsChosen) {
  DockerSettings chosen = settings();
  const auto usual = json::parse(create_body(a_spec(), chosen, "inst-1")).value();
  EXPECT_FALSE(usual.at("HostConfig").as_object().contains("Runtime"));
  chosen.oci_runtime = "runsc";
  const auto other = json::parse(create_body(a_spec(), chosen, "inst-1")).value();
  EXPECT_EQ(other.at("HostConfig").at("Runtime"), "runsc");
}

// A host may keep dumps of everybody's memory, at a place that is not the sandbox's.
TEST(CreateBody, LeavesNoDumpsOfMemory) {
  const auto body = json::parse(create_body(a_spec(), settings(), "inst-1")).value();
  bool is_limited = false;
  for (const auto& limit : body.at("HostConfig").at("Ulimits").as_array()) {
    is_limited |= limit.at("Name") == "core" && limit.at("Hard") == 0 && limit.at("Soft") == 0;
  }
  EXPECT_TRUE(is_limited);
}

TEST(Host, ProcessorsAndMemoryAreReadOrNotKnown) {
  EXPECT_EQ(read_cpus(R"({"NCPU":4,"MemTotal":1})"), 4);
  for (const char* text : {"", "[]", "{}", R"({"NCPU":0})", R"({"NCPU":"4"})"}) {
    EXPECT_FALSE(read_cpus(text)) << text;
  }
  EXPECT_EQ(read_available_memory("MemTotal:  9 kB\nMemAvailable:     1024 kB\n"), 1024 * 1024);
  for (const char* text : {"", "MemAvailable: kB", "MemAvailable: 5", "MemAvailable: -5 kB",
                           "XMemAvailable: 5 kB", "MemAvailable: 99999999999999999999 kB"}) {
    EXPECT_FALSE(read_available_memory(text)) << text;
  }
}

TEST(Inspect, ReadsStates) {
  const auto state = [](const char* word) {
    return read_inspect(std::string(R"({"Id":"c","State":{"Status":")") + word +
                        R"(","ExitCode":137,"OOMKilled":true},"Config":{"Labels":)" +
                        R"({"matrx.sandbox_id":"sbx-0123456789ab"}}})");
  };
  EXPECT_EQ(state("running")->state, ContainerState::running);
  EXPECT_EQ(state("created")->state, ContainerState::created);
  EXPECT_EQ(state("paused")->state, ContainerState::paused);
  EXPECT_EQ(state("exited")->state, ContainerState::ended);
  EXPECT_EQ(state("dead")->state, ContainerState::ended);
  EXPECT_EQ(state("exited")->exit_code, 137);
  EXPECT_TRUE(state("exited")->out_of_memory);
  EXPECT_EQ(state("running")->sandbox_id->text(), "sbx-0123456789ab");
}

TEST(Inspect, RefusesWhatItDoesNotKnow) {
  for (const char* text : {"", "[]", "{}", R"({"State":5})"}) EXPECT_FALSE(read_inspect(text));
  for (const char* text : {"", "{}", "[1]"}) EXPECT_FALSE(read_list(text));
  EXPECT_FALSE(read_created_id("{}"));
  EXPECT_EQ(read_message("nonsense"), "");
}

TEST(List, ToleratesForeignLabels) {
  const auto list =
      read_list(R"([{"Id":"a","State":"running","Labels":{"matrx.sandbox_id":"odd"}},{"Id":"b"}])");
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 2U);
  EXPECT_FALSE((*list)[0].sandbox_id);
}

TEST(Events, ReadsOnlyOurContainers) {
  const auto event = read_event(R"({"Type":"container","Action":"die","Actor":{"Attributes":)"
                                R"({"matrx.sandbox_id":"sbx-0123456789ab"}}})");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->sandbox_id.text(), "sbx-0123456789ab");
  EXPECT_FALSE(read_event(R"({"Type":"network","Actor":{"Attributes":{}}})"));
  EXPECT_FALSE(read_event(R"({"Type":"container","Actor":{"Attributes":{}}})"));
  EXPECT_FALSE(read_event("{"));
}

TEST(Filters, AreEncoded) {
  EXPECT_EQ(label_filter("inst-1"),
            "%7B%22label%22%3A%5B%22matrx.installation%3Dinst-1%22%2C%22matrx.sandbox_id%22%5D%7D");
}

TEST(DockerMessages, LogFramesBecomeText) {
  using namespace std::string_literals;
  const std::string frames = "\1\0\0\0\0\0\0\3one\2\0\0\0\0\0\0\3two"s;
  EXPECT_EQ(read_log_frames(frames, 100), "onetwo");
  EXPECT_EQ(read_log_frames(frames, 4), "etwo");
  EXPECT_EQ(read_log_frames(frames.substr(0, frames.size() - 1), 100), "onetw");
  EXPECT_EQ(read_log_frames("\1\0\0\0\xff\xff\xff\xffx"s, 100), "x");
  EXPECT_EQ(read_log_frames("short", 100), "");
}

TEST(CreateBody, AnAllowlistTravelsInALabelAndBack) {
  ContainerSpec wanted = a_spec();
  wanted.egress = Egress::allowlist;
  wanted.egress_list = {.ranges = {"192.0.2.0/24"}, .domains = {"pypi.org", "*.example.com"}};
  const auto body = json::parse(create_body(wanted, settings(), "inst-1", "172.20.0.1")).value();
  EXPECT_EQ(body.at("HostConfig").at("NetworkMode"), "net-allowlist");
  EXPECT_EQ(body.at("HostConfig").at("Dns"), json::array{"172.20.0.1"});
  const json::object listing{
      {"Labels", body.at("Labels")},
      {"NetworkSettings", {{"Networks", {{"net-allowlist", {{"IPAddress", "172.20.0.2"}}}}}}}};
  const auto listed = read_listed(json::serialize(json::array{listing}), "net-allowlist");
  ASSERT_TRUE(listed && listed->size() == 1);
  EXPECT_EQ(listed->front().id, wanted.id);
  EXPECT_EQ(listed->front().address, "172.20.0.2");
  EXPECT_EQ(listed->front().list.ranges, wanted.egress_list.ranges);
  EXPECT_EQ(listed->front().list.domains, wanted.egress_list.domains);
}

TEST(ReadListed, WhoHasNoAddressOrNoListIsNotLetOut) {
  const std::string labels = R"({"matrx.sandbox_id":"sbx-0123456789ab","matrx.egress_allow":")";
  const auto one = [&](const std::string& list, const std::string& address) {
    return R"([{"Labels":)" + labels + list +
           R"("},"NetworkSettings":{"Networks":{"n":{"IPAddress":")" + address + R"("}}}}])";
  };
  EXPECT_EQ(read_listed(one("a.com", "172.20.0.2"), "n")->size(), 1U);
  EXPECT_EQ(read_listed(one("a.com", "172.20.0.2"), "other")->size(), 0U);
  EXPECT_EQ(read_listed(one("a.com", ""), "n")->size(), 0U);
  EXPECT_EQ(read_listed(one("a.com", "-j ACCEPT"), "n")->size(), 0U);
  EXPECT_EQ(read_listed(one("", "172.20.0.2"), "n")->size(), 0U);
  EXPECT_EQ(read_listed(one("a.com -j ACCEPT", "172.20.0.2"), "n")->size(), 0U);
  EXPECT_FALSE(read_listed("{}", "n"));
}

}  // namespace
}  // namespace matrx::docker
