#pragma once
// How much of its resources the sandbox uses: GET /metrics (client-contracts.md §1.9).

#include <chrono>
#include <optional>
#include <string>

#include "wire/json.hpp"

namespace matrx::agent {

struct Usage {
  std::chrono::microseconds cpu_time{0};
  double cpus = 1;
  std::uint64_t memory_total = 0, memory_used = 0, memory_cache = 0;
  std::uint64_t disk_total = 0, disk_used = 0;
  std::uint64_t received = 0, sent = 0;  // network, without loopback
  std::uint64_t processes = 0;
};

// From the control group (version 2, else 1), and where there is none from /proc. root: where
// these lie, for tests.
Usage read_usage(const std::string& root = "");

// How often the kernel has killed something of the sandbox for want of memory; 0 where the control
// group does not say.
std::uint64_t count_oom_kills(const std::string& root = "");

class Metrics {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  explicit Metrics(SteadyTime now) : at_(now) {}

  // The protocol's fields, and of our own `net_rx_bytes`, `net_tx_bytes`, `processes` and
  // `cpu_used_us` since the start. cpu_used_pct is of all its CPUs, since the last call of anybody
  // that is long enough ago.
  json::object describe(const Usage& usage, SteadyTime now, std::int64_t unix_seconds);

 private:
  SteadyTime at_;
  std::optional<std::chrono::microseconds> cpu_time_;
  double percent_ = 0;
};

}  // namespace matrx::agent
