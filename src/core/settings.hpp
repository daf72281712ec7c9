#pragma once
// What core needs of the configuration.

#include <cstdint>
#include <string>

#include "base/disk_room.hpp"
#include "base/time.hpp"
#include "core/census.hpp"
#include "model/sandbox.hpp"

namespace matrx {

// Of a disk: a part of it in percent, or that many bytes; neither: off.
struct DiskShare {
  int percent = 0;
  std::int64_t bytes = 0;
  std::int64_t part_bytes_max = INT64_MAX;  // of a large disk the part is no more
};

struct DiskLimits {
  // So little is free: no sandbox is made.
  DiskShare refuse_below{.percent = 5, .part_bytes_max = kDiskLeftBytesMax};
  // So little: who takes most of it is ended.
  DiskShare end_below{.percent = 2, .part_bytes_max = kDiskLeftBytesMax / 4};
};

struct CoreSettings {
  std::string installation;  // labels our containers; the same for ever on this host
  std::string process;       // holds leases; empty: a new name for each life of a core
  std::string host_name;     // tells people where that is
  std::string image;
  std::string hot_path = "/home/agent";
  std::string cold_path = "/data/cold";
  std::int64_t home_bytes_max = INT64_MAX;
  milliseconds home_sync_interval{60'000};
  // How long a home without a row is left alone: a registry that is wrong by mistake shall do no
  // harm. One in memory forgets as a matter of course.
  milliseconds stray_home_patience{600'000};
  Census::Limits limits;  // of sandboxes that have not ended
  DiskLimits disk;
  Resources resources;     // where the request names none
  int ttl_seconds = 7200;  // where the request names none
  int ttl_seconds_max = 86400;
  milliseconds shutdown_timeout{30'000};
  milliseconds reconcile_interval{30'000};
  int history_retention_days = 0;  // of ended rows; 0: for ever
  int relay_port = 49980;          // of the agent's loopback listener, for ORCHESTRATOR_URL
};

}  // namespace matrx
