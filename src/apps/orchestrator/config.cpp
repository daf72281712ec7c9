#include "apps/orchestrator/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "adapters/docker/limits.hpp"
#include "adapters/docker/name_server.hpp"
#include "base/ipv4.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"

namespace matrx {
namespace {

// Reads one variable into the config; false: not what it takes.
using Reader = std::function<bool(const std::string& text, Config& config)>;

struct Variable {
  const char* name;
  const char* preset;
  const char* takes;  // what a correct value looks like
  const char* help;
  Reader read;
  bool secret = false;  // never shown in an error
};

Reader text(std::string Config::* member, bool may_be_empty = false) {
  return [=](const std::string& value, Config& config) {
    config.*member = value;
    return may_be_empty || !value.empty();
  };
}

Reader integer(int Config::* member, int min, int max) {
  return [=](const std::string& value, Config& config) {
    int number = 0;
    const char* end = value.data() + value.size();
    const auto [stopped, ec] = std::from_chars(value.data(), end, number);
    config.*member = number;
    return ec == std::errc() && stopped == end && number >= min && number <= max;
  };
}

bool read_ssh_port(const std::string& value, Config& config) {
  if (value.empty()) return true;
  int port = 0;
  const char* end = value.data() + value.size();
  const auto [stopped, ec] = std::from_chars(value.data(), end, port);
  config.ssh_port = port;
  return ec == std::errc() && stopped == end && port >= 0 && port <= 65535;
}

// It ends up in a command that people run.
bool read_ssh_address(const std::string& value, Config& config) {
  config.ssh_address = value;
  return is_host_name(value) || value.empty();
}

bool read_cores(const std::string& value, Config& config) {
  const char* end = value.data() + value.size();
  const auto [stopped, ec] = std::from_chars(value.data(), end, config.cpu_limit);
  return ec == std::errc() && stopped == end && config.cpu_limit >= 0.1 && config.cpu_limit <= 128;
}

bool read_memory(const std::string& value, Config& config) {
  constexpr std::int64_t kLeast = 64LL << 20;  // less does not start a shell with an agent
  config.memory_limit_bytes = parse_bytes(value).value_or(0);
  return config.memory_limit_bytes >= kLeast;
}

bool read_level(const std::string& value, Config& config) {
  const auto level = log::parse_level(value);
  config.log_level = level.value_or(log::Level::info);
  return level.has_value();
}

bool read_format(const std::string& value, Config& config) {
  config.log_format = value == "text" ? log::Format::text : log::Format::json;
  return value == "text" || value == "json";
}

// They are sent in a header, so nothing but what a header takes everywhere.
bool is_key(std::string_view text) {
  const auto is_odd = [](char c) { return c <= ' ' || c > '~'; };
  return text.size() <= kKeyCharsMax && std::ranges::none_of(text, is_odd);
}

bool is_loopback(std::string_view host) {
  return host.starts_with("127.") || host == "::1" || host == "localhost";
}

bool read_keys(const std::string& value, Config& config) {
  for (std::string_view key : split(value, ',')) {
    if (trim(key).empty()) continue;
    if (!is_key(trim(key))) return false;
    config.api_keys.emplace_back(trim(key));
  }
  return true;
}

// They end up in a header of ours, so nothing but what an origin has.
bool is_origin(std::string_view text) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!text.starts_with(scheme)) continue;
    text.remove_prefix(scheme.size());
    constexpr std::string_view kTaken =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:*[]";
    return !text.empty() && text.find_first_not_of(kTaken) == std::string_view::npos;
  }
  return false;
}

bool read_public_origins(const std::string& value, Config& config) {
  for (std::string_view origin : split(value, ',')) {
    if (trim(origin).empty()) continue;
    if (!is_origin(trim(origin)) || origin.find('*') != std::string_view::npos) return false;
    config.public_origins.emplace_back(trim(origin));
  }
  return true;
}

bool read_origins(const std::string& value, Config& config) {
  for (std::string_view origin : split(value, ',')) {
    if (trim(origin).empty()) continue;
    if (!is_origin(trim(origin))) return false;
    config.widget_origins.emplace_back(trim(origin));
  }
  return true;
}

bool read_isolation(const std::string& value, Config& config) {
  config.isolation = value;
  return value == "standard" || value == "strict";
}

// A network that the engine makes for us. Of its own ones, of another container's and of the host's
// no rule of ours could tell sandboxes from others.
bool read_docker_network(const std::string& value, Config& config) {
  constexpr std::size_t kCharsMax = 100;
  constexpr std::string_view kTaken =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
  config.docker_network = value;
  const bool is_name = !value.empty() && value.size() <= kCharsMax &&
                       value.find_first_not_of(kTaken) == std::string::npos &&
                       std::string_view("_.-").find(value[0]) == std::string_view::npos;
  static constexpr std::array kOfTheEngine = {"host", "none", "bridge", "default", "ingress"};
  return is_name && std::ranges::find(kOfTheEngine, value) == kOfTheEngine.end();
}

bool read_memory_reserve(const std::string& value, Config& config) {
  const auto bytes = value == "0" ? std::optional<std::int64_t>(0) : parse_bytes(value);
  config.host_memory_reserve_bytes = bytes.value_or(0);
  return bytes.has_value();
}

bool read_firewall(const std::string& value, Config& config) {
  config.firewall = value;
  return value == "auto" || value == "required" || value == "external" || value == "off";
}

bool read_egress_allow(const std::string& value, Config& config) {
  for (std::string_view range : split(value, ',')) {
    if (trim(range).empty()) continue;
    if (!is_ipv4_range(trim(range))) return false;
    config.egress_allow.emplace_back(trim(range));
  }
  return config.egress_allow.size() <= docker::kEgressRangesMax;
}

bool read_egress_nameservers(const std::string& value, Config& config) {
  for (std::string_view server : split(value, ',')) {
    if (trim(server).empty()) continue;
    if (!docker::is_name_server(trim(server))) return false;
    config.egress_nameservers.emplace_back(trim(server));
  }
  return config.egress_nameservers.size() <= docker::kNameTriesMax;
}

bool read_store(const std::string& value, Config& config) {
  config.store = value;
  return value == "memory" || value == "sqlite" || value == "postgres";
}

bool read_size_limit(const std::string& value, Config& config) {
  config.hot_size_limit_bytes = parse_bytes(value).value_or(0);
  return config.hot_size_limit_bytes > 0;
}

bool read_cold_driver(const std::string& value, Config& config) {
  config.cold_driver = value;
  return value == "rclone" || value == "mount-s3" || value == "off";
}

bool read_cold_cache(const std::string& value, Config& config) {
  constexpr std::int64_t kLeast = 64LL << 20;  // less thrashes with a single large file
  config.cold_cache_bytes = parse_bytes(value).value_or(0);
  return config.cold_cache_bytes >= kLeast;
}

// "5%", or bytes; "0": off.
Reader disk_share(DiskShare DiskLimits::* member) {
  return [=](const std::string& value, Config& config) {
    DiskShare& share = config.disk.*member;
    share = {.part_bytes_max = share.part_bytes_max};
    if (value == "0") return true;
    if (!value.ends_with('%')) {
      share.bytes = parse_bytes(value).value_or(0);
      return share.bytes > 0;
    }
    const char* end = value.data() + value.size() - 1;
    const auto [stopped, ec] = std::from_chars(value.data(), end, share.percent);
    return ec == std::errc() && stopped == end && share.percent >= 1 && share.percent <= 50;
  };
}

bool read_excludes(const std::string& value, Config& config) {
  for (std::string_view pattern : split(value, ',')) {
    if (!trim(pattern).empty()) config.hot_sync_exclude.emplace_back(trim(pattern));
  }
  return true;
}

bool read_folder(const std::string& value, Config& config) {
  config.data_dir = value;
  return value.starts_with('/');
}

const std::vector<Variable>& variables() {
  static const std::vector<Variable> table = {
      {"MATRX_HOST", "0.0.0.0", "an IP address",
       "where to listen; the default without MATRX_API_KEY is 127.0.0.1", text(&Config::host)},
      {"MATRX_PORT", "8000", "0 to 65535", "0 = any free port", integer(&Config::port, 0, 65535)},
      {"MATRX_SSH_PORT", "", "0 to 65535, or nothing",
       "where people come into sandboxes over SSH with keys from POST /sandboxes/{id}/access; "
       "0 = any free port, empty = no SSH",
       read_ssh_port},
      {"MATRX_SSH_ADDRESS", "", "a host name or an IP address",
       "where SSH clients are told to connect to; empty = the host that the API was asked at",
       read_ssh_address},
      {"MATRX_LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING, ERROR or CRITICAL", "", read_level},
      {"MATRX_LOG_FORMAT", "json", "json or text", "", read_format},
      {"MATRX_API_KEY", "",
       "keys of 12 to 1024 visible characters, on loopback also shorter ones, separated by commas",
       "what clients must send; not set = open to everybody who reaches the port", read_keys, true},
      {"MATRX_API_KEY_HEADER", "X-API-Key", "a header name", "a bearer token is read as well",
       text(&Config::api_key_header)},
      {"MATRX_PUBLIC_ORIGINS", "",
       "origins like https://sandboxes.example.com, separated by commas",
       "where browsers find this; with https the dashboard's cookie is for TLS only, and without "
       "MATRX_API_KEY no other host names are answered but localhost and addresses",
       read_public_origins},
      {"MATRX_WIDGET_ORIGINS", "", "origins like https://app.example.com, separated by commas",
       "whose pages may show /dashboard/widget in a frame", read_origins},
      {"MATRX_SANDBOX_IMAGE", "matrx-sandbox:latest", "an image of the container engine",
       "what sandboxes run", text(&Config::sandbox_image)},
      {"MATRX_DOCKER_NETWORK", "matrx-sandboxes",
       "a name of letters, digits, '_', '.' and '-', of no network that the engine has by itself",
       "made at start; sandboxes on it cannot reach each other", read_docker_network},
      {"MATRX_FIREWALL", "auto", "auto, required, external or off",
       "iptables rules that keep sandboxes from this host, private networks and the metadata "
       "service; auto = where that is possible, required = no sandbox without them, external = "
       "somebody else puts them up",
       read_firewall},
      {"MATRX_EGRESS_ALLOW", "", "IPv4 ranges like 10.1.2.0/24, separated by commas; at most 64",
       "what sandboxes reach although it is private; with an allowlist only what that names as "
       "well",
       read_egress_allow},
      {"MATRX_EGRESS_NAMESERVERS", "", "IPv4 addresses, or address:port, at most 3",
       "who is asked for the names that sandboxes with an allowlist may know; empty = whom this "
       "host asks",
       read_egress_nameservers},
      {"MATRX_ISOLATION", "standard", "standard or strict",
       "strict = no root, no sudo, no capability, a read-only system beside home and /tmp",
       read_isolation},
      {"MATRX_CONTAINER_RUNTIME", "", "a runtime that the engine knows, like runsc",
       "of every sandbox; empty = the engine's default", text(&Config::oci_runtime, true)},
      {"MATRX_CONTAINER_CPU_LIMIT", "2.0", "cores, 0.1 to 128",
       "per sandbox; on a host that has fewer, as many as that has", read_cores},
      {"MATRX_CONTAINER_MEMORY_LIMIT", "4g", "bytes, with k, m or g; at least 64m", "per sandbox",
       read_memory},
      {"MATRX_CONTAINER_PIDS_LIMIT", "1024", "16 to 32768", "processes and threads per sandbox",
       integer(&Config::pids_limit, 16, 32768)},
      {"MATRX_MAX_SANDBOXES", "1000", "0 to 100000",
       "on this host at once; more are refused with 429; 0 = no limit, but a network of the engine "
       "takes 1023",
       integer(&Config::sandboxes_max, 0, 100'000)},
      {"MATRX_MAX_SANDBOXES_PER_USER", "0", "0 to 100000", "the same, of one user; 0 = no limit",
       integer(&Config::sandboxes_of_user_max, 0, 100'000)},
      {"MATRX_HOST_MEMORY_RESERVE", "256m", "bytes, with k, m or g; or 0",
       "no sandbox is made while this host has less memory left; 0 = whatever is left",
       read_memory_reserve},
      {"MATRX_MAX_SESSION_DURATION_SECONDS", "7200", "1 to 31536000",
       "lifetime of a sandbox whose request names none",
       integer(&Config::session_seconds, 1, 31'536'000)},
      {"MATRX_MAX_TTL_SECONDS", "86400", "1 to 31536000", "what a request may ask for",
       integer(&Config::ttl_seconds_max, 1, 31'536'000)},
      {"MATRX_SHUTDOWN_TIMEOUT_SECONDS", "30", "1 to 3600",
       "what a graceful stop may take before it becomes an immediate one",
       integer(&Config::shutdown_timeout_seconds, 1, 3600)},
      {"MATRX_HEALTHCHECK_INTERVAL_SECONDS", "30", "1 to 3600",
       "between two comparisons of registry and containers",
       integer(&Config::healthcheck_interval_seconds, 1, 3600)},
      {"MATRX_MAX_COMMAND_LENGTH", "10000", "1 to 100000 characters", "of one exec",
       integer(&Config::command_chars_max, 1, 100'000)},
      {"MATRX_COMMAND_TIMEOUT_SECONDS", "600", "1 to 3600", "the longest timeout of one exec",
       integer(&Config::command_timeout_seconds, 1, 3600)},
      {"MATRX_PROXY_TIMEOUT_SECONDS", "120", "1 to 3600",
       "how long a program behind the proxy may take to begin its answer",
       integer(&Config::proxy_timeout_seconds, 1, 3600)},
      {"MATRX_SANDBOX_STORE", "memory", "memory, sqlite or postgres", "where the registry is kept",
       read_store},
      {"MATRX_DATABASE_URL", "", "a path for sqlite, a URL for postgres",
       "default for sqlite: registry.db in the data folder", text(&Config::database_url, true),
       true},
      {"MATRX_DATABASE_CONNECTIONS", "8", "2 to 100", "to Postgres, at most",
       integer(&Config::database_connections, 2, 100)},
      {"MATRX_HISTORY_RETENTION_DAYS", "90", "0 to 36500",
       "how long sandboxes that have ended stay listed; 0 = for ever",
       integer(&Config::history_retention_days, 0, 36'500)},
      {"MATRX_S3_BUCKET", "", "a bucket's name",
       "where homes and large files are kept; empty = in the data folder",
       text(&Config::s3_bucket, true)},
      {"MATRX_S3_REGION", "us-east-1", "a region", "of the bucket", text(&Config::s3_region)},
      {"MATRX_HOT_SYNC_INTERVAL_SECONDS", "60", "1 to 86400",
       "between two checkpoints of a home that changes: what a lost host may cost",
       integer(&Config::hot_sync_interval_seconds, 1, 86'400)},
      {"MATRX_HOT_SYNC_EXCLUDE", "", "name patterns, separated by commas; folders end in /",
       "what of a home is not kept, beside *.tmp, .DS_Store and __pycache__/", read_excludes},
      {"MATRX_HOT_SIZE_LIMIT", "20g", "bytes, with k, m or g",
       "a home may be that large; a larger one is not saved, and its sandbox says so",
       read_size_limit},
      {"MATRX_COLD_DRIVER", "rclone", "rclone, mount-s3 or off",
       "what shows large files at /data/cold; without a bucket they lie in the data folder",
       read_cold_driver},
      {"MATRX_COLD_CACHE_SIZE", "10g", "bytes, with k, m or g; at least 64m",
       "on this host's disk, for large files of all users together; each one gets a quarter of "
       "what "
       "is left, and at least 16m",
       read_cold_cache},
      {"MATRX_DISK_REFUSE_BELOW", "5%", "1% to 50%, bytes with k, m or g, or 0",
       "no sandbox is made while less than that is free on the disk of the data folder or of the "
       "container engine; percents mean 8g at most; 0 = only where there is nothing at all",
       disk_share(&DiskLimits::refuse_below)},
      {"MATRX_DISK_END_BELOW", "2%", "1% to 50%, bytes with k, m or g, or 0",
       "the sandbox that takes most of that disk is ended, and its home saved, while less than "
       "that is free; percents mean 2g at most; 0 = none is ended",
       disk_share(&DiskLimits::end_below)},
      {"MATRX_HOST_NAME", "", "a name or URL",
       "how other orchestrators on the same registry name this one; default: the machine's name",
       text(&Config::host_name, true)},
      {"MATRX_DATA_DIR", "/var/lib/matrx", "an absolute path",
       "sandbox folders, registry, agent; the container engine must see the same path",
       read_folder},
      {"MATRX_AGENT_PATH", "", "a path", "the guest agent; default: beside this program",
       text(&Config::agent_path, true)},
      {"MATRX_SETTINGS_FILE", "", "a path",
       "more settings, as lines NAME=value, which go before the environment; MATRX_API_KEY and "
       "MATRX_LOG_LEVEL are read again at SIGHUP",
       text(&Config::settings_file, true)},
  };
  return table;
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  };
}

bool has_short_key(const Config& config) {
  return std::ranges::any_of(config.api_keys,
                             [](const std::string& key) { return key.size() < kKeyCharsMin; });
}

Result<Config> read_config(const Environment& environment) {
  Config config;
  for (const Variable& variable : variables()) {
    const auto given = environment(variable.name);
    const std::string value = given.value_or(variable.preset);
    if (variable.read(value, config)) continue;
    return fail(Code::invalid,
                fmt::format("{} is '{}'; it takes {}", variable.name,
                            variable.secret ? "(not shown)" : value, variable.takes));
  }
  // A template whose secrets were missing must not open the API. Nothing at all is the word for it.
  if (config.api_keys.empty() && !environment("MATRX_API_KEY").value_or("").empty()) {
    return fail(Code::invalid,
                "MATRX_API_KEY is set and names no key: give it one, or take the variable away, "
                "which opens the API to everybody who reaches the port");
  }
  if (config.api_keys.empty() && !environment("MATRX_HOST")) config.host = "127.0.0.1";
  if (has_short_key(config) && !is_loopback(config.host)) {
    return fail(
        Code::invalid,
        fmt::format("MATRX_API_KEY holds a key of fewer than {} characters, which strangers "
                    "find by trying: make it longer, or set MATRX_HOST=127.0.0.1",
                    kKeyCharsMin));
  }
  if (config.session_seconds > config.ttl_seconds_max) {
    return fail(Code::invalid, fmt::format("MATRX_MAX_SESSION_DURATION_SECONDS is {}; it takes at "
                                           "most MATRX_MAX_TTL_SECONDS, which is {}",
                                           config.session_seconds, config.ttl_seconds_max));
  }
  if (config.store == "postgres" && config.database_url.empty()) {
    return fail(Code::invalid,
                "MATRX_DATABASE_URL is empty; MATRX_SANDBOX_STORE=postgres takes a URL like "
                "postgresql://user:password@host/database");
  }
  config.s3_endpoint = environment("AWS_ENDPOINT_URL_S3").value_or("");
  config.docker_host = environment("DOCKER_HOST").value_or("");
  if (config.docker_host.empty()) config.docker_host = "unix:///var/run/docker.sock";
  config.docker_tls_verify = !environment("DOCKER_TLS_VERIFY").value_or("").empty();
  config.docker_cert_path = environment("DOCKER_CERT_PATH").value_or("");
  return config;
}

std::vector<std::string> changed(const Environment& before, const Environment& now) {
  std::vector<std::string> names;
  for (const Variable& v : variables()) {
    if (before(v.name) != now(v.name)) names.emplace_back(v.name);
  }
  return names;
}

std::string config_help() {
  std::string out;
  for (const Variable& v : variables()) {
    out += fmt::format("  {:<36} {}\n", v.name, v.help[0] ? v.help : v.takes);
    out += fmt::format("  {:<36} takes {}; default: {}\n", "", v.takes,
                       v.preset[0] ? v.preset : "(empty)");
  }
  out +=
      "  AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE, …: as for "
      "the\n"
      "    aws command; without them the instance's role\n";
  out += "  DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH: as for the docker command\n";
  return out;
}

std::string config_example() {
  std::string out =
      "# The settings of the Matrx Sandbox orchestrator, with their defaults.\n"
      "# Made by: matrx-orchestrator --print-env-example\n";
  for (const Variable& v : variables()) {
    out += fmt::format("\n# {}{}takes {}\n#{}={}\n", v.help, v.help[0] ? "; " : "", v.takes, v.name,
                       v.preset);
  }
  return out;
}

}  // namespace matrx
