#pragma once
// The settings of the orchestrator: one table, read from the environment, printed by --help and
// written to .env.example.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/time.hpp"
#include "core/settings.hpp"

namespace matrx {

struct Config {
  std::string host;
  int port = 0;
  std::optional<int> ssh_port;  // none: no SSH
  std::string ssh_address;      // empty: as the API was asked
  log::Level log_level = log::Level::info;
  log::Format log_format = log::Format::json;
  std::vector<std::string> api_keys;
  std::string api_key_header;
  std::vector<std::string> public_origins;
  std::vector<std::string> widget_origins;
  std::string sandbox_image;
  std::string docker_network;
  std::string isolation;    // standard, strict
  std::string oci_runtime;  // empty: the engine's default
  std::string firewall;     // auto, required, external, off
  std::vector<std::string> egress_allow;
  std::vector<std::string> egress_nameservers;  // none: the host's
  DiskLimits disk;
  double cpu_limit = 0;
  std::int64_t memory_limit_bytes = 0;
  int pids_limit = 0;
  int sandboxes_max = 0, sandboxes_of_user_max = 0;  // 0: no limit
  std::int64_t host_memory_reserve_bytes = 0;
  int session_seconds = 0;
  int ttl_seconds_max = 0;
  int shutdown_timeout_seconds = 0;
  int healthcheck_interval_seconds = 0;
  int command_chars_max = 0;
  int command_timeout_seconds = 0;
  int proxy_timeout_seconds = 0;
  std::string store;
  std::string database_url;
  int database_connections = 0;
  int history_retention_days = 0;
  int hot_sync_interval_seconds = 0;
  std::vector<std::string> hot_sync_exclude;
  std::int64_t hot_size_limit_bytes = 0;
  std::string s3_bucket, s3_region;  // empty bucket: the local disk
  std::string cold_driver;
  std::int64_t cold_cache_bytes = 0;
  std::string s3_endpoint;  // AWS's own variable, without our prefix
  std::string host_name;    // empty: the machine's
  std::string data_dir;
  std::string agent_path;
  std::string settings_file;  // empty: the environment has it all
  // Docker's own variables, without our prefix.
  std::string docker_host;
  bool docker_tls_verify = false;
  std::string docker_cert_path;
};

// The value of a variable, or nothing where it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();

// Whether one of the keys is so short that it can be found by trying: taken on loopback only.
bool has_short_key(const Config& config);

// invalid: one line that names the variable, what it got and what it takes.
Result<Config> read_config(const Environment& environment);

// The names of settings of which the two say different things.
std::vector<std::string> changed(const Environment& before, const Environment& now);

std::string config_help();     // the table, for --help
std::string config_example();  // the table, as .env.example

}  // namespace matrx
