#include "adapters/docker/docker_messages.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/ipv4.hpp"
#include "base/text.hpp"
#include "model/home_tree.hpp"
#include "wire/json.hpp"

namespace matrx::docker {
namespace {

constexpr double kNanoCpus = 1e9;
constexpr std::string_view kRunFolder = "/run/matrx";  // inside
constexpr std::string_view kAgentInside = "/opt/matrx/matrx-agent";
constexpr std::int64_t kOpenFilesMax = 20'000;  // parts.md §0: some hosts allow no more

// What apt, sudo and the agent need, and nothing that reaches out of the container: no NET_RAW
// (spoofing), no MKNOD, no SETFCAP, no SYS_CHROOT. AUDIT_WRITE: sudo's PAM session.
const json::array kCapabilities = {"CHOWN",   "DAC_OVERRIDE",    "FOWNER", "FSETID",
                                   "KILL",    "SETGID",          "SETUID", "AUDIT_WRITE",
                                   "SETPCAP", "NET_BIND_SERVICE"};

// Programs are built and run in it; it counts against the sandbox's memory.
constexpr std::string_view kScratch = "rw,exec,nosuid,nodev,mode=1777";

ContainerState read_state(std::string_view word) {
  if (word == "created") return ContainerState::created;
  if (word == "running" || word == "restarting") return ContainerState::running;
  if (word == "paused") return ContainerState::paused;
  return ContainerState::ended;  // exited, dead, removing
}

std::optional<SandboxId> read_label(const json::object* labels) {
  if (labels == nullptr) return std::nullopt;
  return SandboxId::parse(json::text_at(*labels, kSandboxLabel));
}

json::array to_lines(const Pairs& pairs) {
  json::array lines;
  for (const auto& [name, text] : pairs) lines.emplace_back(name + "=" + text);
  return lines;
}

std::string network_of(const ContainerSpec& spec, const DockerSettings& settings) {
  if (spec.egress == Egress::none) return "none";
  return spec.egress == Egress::allowlist ? allowlist_network(settings) : settings.network;
}

json::object host_config(const ContainerSpec& spec, const DockerSettings& settings,
                         std::string_view name_server) {
  const auto run = (settings.sandboxes_dir / spec.id.text() / "run").string();
  json::object config;
  json::array binds = {
      fmt::format("{}:{}:ro", settings.agent_path.string(), kAgentInside),
      fmt::format("{}:{}", run, kRunFolder),
      fmt::format("{}:{}", spec.home_folder, spec.hot_path),
  };
  if (spec.cold_is_parent) {
    const auto above = spec.cold_path.substr(0, spec.cold_path.rfind('/'));
    binds.emplace_back(fmt::format("{}:{}:ro,rslave", spec.cold_folder, above));
  } else if (!spec.cold_folder.empty()) {
    binds.emplace_back(fmt::format("{}:{}", spec.cold_folder, spec.cold_path));
  }
  config["Binds"] = std::move(binds);
  config["NetworkMode"] = network_of(spec, settings);
  if (!name_server.empty()) config["Dns"] = json::array{name_server};
  config["Init"] = true;
  config["CapDrop"] = json::array{"ALL"};
  if (settings.is_strict) {
    config["SecurityOpt"] = json::array{"no-new-privileges"};
    config["ReadonlyRootfs"] = true;
    config["Tmpfs"] = json::object{
        {"/tmp", kScratch}, {"/var/tmp", kScratch}, {"/run", "rw,nosuid,nodev,mode=755"}};
  } else {
    config["CapAdd"] = kCapabilities;
  }
  if (!settings.oci_runtime.empty()) config["Runtime"] = settings.oci_runtime;
  config["NanoCpus"] = static_cast<std::int64_t>(std::llround(spec.resources.cpu * kNanoCpus));
  config["Memory"] = spec.resources.memory_bytes;
  config["MemorySwap"] = spec.resources.memory_bytes;  // no swap beyond it
  config["PidsLimit"] = spec.resources.pids;
  config["Ulimits"] = json::array{
      json::object{{"Name", "nofile"}, {"Soft", 4096}, {"Hard", kOpenFilesMax}},
      json::object{{"Name", "core"}, {"Soft", 0}, {"Hard", 0}}};  // a host may keep dumps of all
  config["RestartPolicy"] = json::object{{"Name", "no"}};
  config["LogConfig"] = json::object{
      {"Type", "json-file"}, {"Config", json::object{{"max-size", "1m"}, {"max-file", "1"}}}};
  return config;
}

json::array our_labels(std::string_view installation) {
  return {fmt::format("{}={}", kInstallationLabel, installation), std::string(kSandboxLabel)};
}

std::string to_label(const EgressList& list) {
  return fmt::format("{}{}{}", fmt::join(list.ranges, ","),
                     list.ranges.empty() || list.domains.empty() ? "" : ",",
                     fmt::join(list.domains, ","));
}

// Of a listed container, on that network. Empty where it has none.
std::string read_address(const json::object& container, const std::string& network) {
  const json::object* settings = json::object_at(container, "NetworkSettings");
  const json::object* networks = settings ? json::object_at(*settings, "Networks") : nullptr;
  const json::object* place = networks ? json::object_at(*networks, network) : nullptr;
  return place ? std::string(json::text_at(*place, "IPAddress")) : std::string();
}

std::unexpected<Error> not_understood(std::string_view what) {
  return fail(Code::internal, "The container engine sent an answer that we do not understand.",
              std::string(what));
}

}  // namespace

std::string container_name(const SandboxId& id) { return "matrx-" + id.text(); }

std::string allowlist_network(const DockerSettings& settings) {
  return settings.network + "-allowlist";
}

std::string create_body(const ContainerSpec& spec, const DockerSettings& settings,
                        std::string_view installation, std::string_view name_server) {
  json::object body;
  body["Image"] = spec.image;
  body["Hostname"] = spec.id.text();
  // The agent; commands run as the user that they name, which under strict can only be this one.
  body["User"] = settings.is_strict ? fmt::format("{}:{}", kAgentUid, kAgentUid) : "0:0";
  body["Env"] = to_lines(spec.env);
  body["Entrypoint"] = json::array{kAgentInside};
  body["Cmd"] = json::array{"serve", "--socket", fmt::format("{}/agent.sock", kRunFolder),
                            "--relay-port", std::to_string(settings.relay_port)};
  json::object labels{{kSandboxLabel, spec.id.text()},
                      {kUserLabel, spec.user_id},
                      {kInstallationLabel, installation}};
  if (spec.egress == Egress::allowlist) labels[kEgressLabel] = to_label(spec.egress_list);
  body["Labels"] = std::move(labels);
  body["StopSignal"] = "SIGTERM";
  body["Healthcheck"] = json::object{{"Test", json::array{"NONE"}}};  // we hold a channel to it
  body["HostConfig"] = host_config(spec, settings, name_server);
  return json::serialize(body);
}

std::string read_log_frames(std::string_view body, std::size_t bytes_max) {
  constexpr std::size_t kFrameHeaderBytes = 8;
  std::string text;
  while (body.size() >= kFrameHeaderBytes) {
    std::size_t length = 0;
    for (std::size_t i = 4; i < kFrameHeaderBytes; ++i) {
      length = length << 8U | static_cast<unsigned char>(body[i]);
    }
    body.remove_prefix(kFrameHeaderBytes);
    text += body.substr(0, length);
    body.remove_prefix(std::min(length, body.size()));
  }
  if (text.size() > bytes_max) text.erase(0, text.size() - bytes_max);
  return to_valid_utf8(std::move(text));
}

Result<Container> read_inspect(std::string_view body) {
  const auto parsed = json::parse(body);
  const json::object* root = parsed ? parsed->if_object() : nullptr;
  const json::object* state = root ? json::object_at(*root, "State") : nullptr;
  if (state == nullptr) return not_understood("inspect without a State");
  Container container;
  container.container_id = json::text_at(*root, "Id");
  container.state = read_state(json::text_at(*state, "Status"));
  container.exit_code = static_cast<int>(json::integer_at(*state, "ExitCode") & 0xFFFF);
  container.out_of_memory = json::flag_at(*state, "OOMKilled");
  container.detail =
      fmt::format("{} {}", json::text_at(*state, "Status"), json::text_at(*state, "Error"));
  if (const json::object* config = json::object_at(*root, "Config")) {
    container.sandbox_id = read_label(json::object_at(*config, "Labels"));
  }
  return container;
}

std::string read_layer_folder(std::string_view inspected) {
  const auto parsed = json::parse(inspected);
  const json::object* root = parsed ? parsed->if_object() : nullptr;
  const json::object* driver = root ? json::object_at(*root, "GraphDriver") : nullptr;
  const json::object* data = driver ? json::object_at(*driver, "Data") : nullptr;
  return data ? std::string(json::text_at(*data, "UpperDir")) : std::string();
}

std::string read_root_folder(std::string_view body) {
  const auto parsed = json::parse(body);
  const json::object* root = parsed ? parsed->if_object() : nullptr;
  return root ? std::string(json::text_at(*root, "DockerRootDir")) : std::string();
}

Result<std::vector<Container>> read_list(std::string_view body) {
  const auto parsed = json::parse(body);
  const json::array* items = parsed ? parsed->if_array() : nullptr;
  if (items == nullptr) return not_understood("a listing that is no array");
  std::vector<Container> containers;
  for (const json::value& item : *items) {
    const json::object* object = item.if_object();
    if (object == nullptr) return not_understood("a listing with something else in it");
    Container container;
    container.container_id = json::text_at(*object, "Id");
    container.state = read_state(json::text_at(*object, "State"));
    container.detail = json::text_at(*object, "Status");
    container.sandbox_id = read_label(json::object_at(*object, "Labels"));
    containers.push_back(std::move(container));
  }
  return containers;
}

Result<std::vector<ListedSandbox>> read_listed(std::string_view body, const std::string& network) {
  const auto parsed = json::parse(body);
  const json::array* items = parsed ? parsed->if_array() : nullptr;
  if (items == nullptr) return not_understood("a listing that is no array");
  std::vector<ListedSandbox> listed;
  for (const json::value& item : *items) {
    const json::object* container = item.if_object();
    const json::object* labels = container ? json::object_at(*container, "Labels") : nullptr;
    const auto id = read_label(labels);
    if (!id) continue;
    std::vector<std::string> entries;
    for (const auto entry : split(json::text_at(*labels, kEgressLabel), ',')) {
      entries.emplace_back(entry);
    }
    auto list = parse_egress_list(entries);
    std::string address = read_address(*container, network);
    if (list && is_ipv4_address(address)) {
      listed.push_back({.id = *id, .address = std::move(address), .list = *std::move(list)});
    }
  }
  return listed;
}

std::optional<ContainerEvent> read_event(std::string_view line) {
  const auto parsed = json::parse(line);
  const json::object* root = parsed ? parsed->if_object() : nullptr;
  if (root == nullptr || json::text_at(*root, "Type") != "container") return std::nullopt;
  const json::object* actor = json::object_at(*root, "Actor");
  const json::object* labels = actor ? json::object_at(*actor, "Attributes") : nullptr;
  const auto id = read_label(labels);
  if (!id) return std::nullopt;
  return ContainerEvent{*id};
}

Result<std::string> read_created_id(std::string_view body) {
  const auto parsed = json::parse(body);
  const json::object* root = parsed ? parsed->if_object() : nullptr;
  std::string id = root ? std::string(json::text_at(*root, "Id")) : std::string();
  if (id.empty()) return not_understood("a create without an Id");
  return id;
}

std::optional<double> read_cpus(std::string_view body) {
  const auto parsed = json::parse(body);
  const json::object* root = parsed ? parsed->if_object() : nullptr;
  const auto count = root ? json::integer_at(*root, "NCPU") : 0;
  return count > 0 ? std::optional(static_cast<double>(count)) : std::nullopt;
}

std::optional<std::int64_t> read_available_memory(std::string_view meminfo) {
  constexpr std::string_view kName = "MemAvailable:";
  for (const std::string_view line : split(meminfo, '\n')) {
    if (!line.starts_with(kName)) continue;
    const std::string_view number = trim(line.substr(kName.size()));
    std::int64_t kib = 0;
    const auto [end, ec] = std::from_chars(number.data(), number.data() + number.size(), kib);
    if (ec != std::errc() || std::string_view(end, number.data() + number.size()) != " kB" ||
        kib < 0 || kib > INT64_MAX / 1024) {
      return std::nullopt;
    }
    return kib * 1024;
  }
  return std::nullopt;
}

std::string read_message(std::string_view body) {
  const auto parsed = json::parse(body);
  const json::object* root = parsed ? parsed->if_object() : nullptr;
  return root ? std::string(json::text_at(*root, "message")) : std::string();
}

std::string label_filter(std::string_view installation) {
  return percent_encode(json::serialize(json::object{{"label", our_labels(installation)}}));
}

std::string listed_filter(std::string_view installation) {
  json::array labels = our_labels(installation);
  labels.emplace_back(kEgressLabel);
  return percent_encode(json::serialize(
      json::object{{"label", std::move(labels)}, {"status", json::array{"running", "paused"}}}));
}

std::string event_filter(std::string_view installation) {
  return percent_encode(json::serialize(json::object{{"type", json::array{"container"}},
                                                     {"event", json::array{"die", "destroy"}},
                                                     {"label", our_labels(installation)}}));
}

}  // namespace matrx::docker
