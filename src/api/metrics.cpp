// GET /metrics: counters for Prometheus, in its text format 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/).

#include <fmt/format.h>

#include "api/api.hpp"

namespace matrx::api {
namespace {

class Metrics {
 public:
  // Begins a family of values.
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    text_ += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
  }
  template <class T>
  void value(T number, std::string_view labels = {}) {
    text_ += labels.empty() ? fmt::format("{} {}\n", name_, number)
                            : fmt::format("{}{{{}}} {}\n", name_, labels, number);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string name_;
  std::string text_;
};

using Total = SyncTotals::Total;

void add_syncs(Metrics& metrics, const SyncTotals& totals) {
  const auto each = [&](const char* name, const char* help, auto read) {
    metrics.family(name, "counter", help);
    for (std::size_t i = 0; i < kSyncDirectionNames.size(); ++i) {
      read(totals.by_direction.at(i), fmt::format("direction=\"{}\"", kSyncDirectionNames.at(i)));
    }
  };
  each("matrx_home_syncs_total", "Syncs of homes with the storage.",
       [&](const Total& total, const std::string& labels) {
         metrics.value(total.succeeded, labels + ",outcome=\"success\"");
         metrics.value(total.failed, labels + ",outcome=\"failure\"");
       });
  each(
      "matrx_home_sync_retries_total", "Tries beyond the first one.",
      [&](const Total& total, const std::string& labels) { metrics.value(total.retried, labels); });
  each(
      "matrx_home_sync_objects_total", "Objects moved, copied or removed.",
      [&](const Total& total, const std::string& labels) { metrics.value(total.objects, labels); });
  each("matrx_home_sync_bytes_total", "Bytes moved.",
       [&](const Total& total, const std::string& labels) { metrics.value(total.bytes, labels); });
  each("matrx_home_sync_seconds_total", "Time spent, waiting for others not counted.",
       [&](const Total& total, const std::string& labels) {
         metrics.value(static_cast<double>(total.duration_ms) / 1000, labels);
       });
}

void add_cold(Metrics& metrics, const ColdTotals& totals) {
  const auto counter = [&](const char* name, const char* help, std::int64_t value) {
    metrics.family(name, "counter", help);
    metrics.value(value);
  };
  metrics.family("matrx_cold_mounts", "gauge", "Mounts of large files on this host.");
  metrics.value(totals.mounted);
  counter("matrx_cold_mounts_total", "Mounts made for sandboxes.", totals.mounts);
  counter("matrx_cold_mount_failures_total", "Mounts that could not be made.",
          totals.mount_failures);
  counter("matrx_cold_heals_total", "Mounts made again after their mounter had ended.",
          totals.heals);
  counter("matrx_cold_heal_failures_total", "Tries to do so that did not work.",
          totals.heal_failures);
  counter("matrx_cold_refused_uploads_total", "Tries to send a large file that were refused.",
          totals.refused_uploads);
}

void add_walls(Metrics& metrics, const Walls& walls) {
  if (walls.state == Walls::State::not_ours) return;
  metrics.family("matrx_firewall_up", "gauge", "1 while the firewall's rules are as they must be.");
  metrics.value(walls.state == Walls::State::up ? 1 : 0);
  metrics.family("matrx_firewall_repairs_total", "counter",
                 "Times that rules were gone and were put up again.");
  metrics.value(walls.repairs);
  metrics.family("matrx_firewall_failures_total", "counter",
                 "Tries to put the firewall's rules up that did not work.");
  metrics.value(walls.failures);
}

void add_user_storage(Metrics& metrics, const UserStorageTotals& totals) {
  metrics.family("matrx_storage_requests_total", "counter",
                 "Folders listed, files opened and deletions of users' storage.");
  const auto value = [&](const char* what, std::int64_t succeeded, std::int64_t failed) {
    metrics.value(succeeded, fmt::format("operation=\"{}\",outcome=\"success\"", what));
    metrics.value(failed, fmt::format("operation=\"{}\",outcome=\"failure\"", what));
  };
  value("list", totals.listed, totals.list_failures);
  value("open", totals.opened, totals.open_failures);
  value("delete", totals.deletions, totals.deletion_failures);
  metrics.family("matrx_storage_read_bytes_total", "counter", "Bytes of files read over the API.");
  metrics.value(totals.read_bytes);
  metrics.family("matrx_storage_read_failures_total", "counter", "Reads that broke off.");
  metrics.value(totals.read_failures);
  metrics.family("matrx_storage_deleted_objects_total", "counter", "Objects deleted over the API.");
  metrics.value(totals.deleted_objects);
}

void add_disk(Metrics& metrics, const DiskTotals& totals) {
  const auto of_each = [&](const char* name, const char* help, auto read) {
    metrics.family(name, "gauge", help);
    for (const DiskRoom& room : totals.rooms) {
      metrics.value(read(room), fmt::format("disk=\"{}\"", room.name));
    }
  };
  of_each("matrx_disk_free_bytes", "What sandboxes may still take of a disk.",
          [](const DiskRoom& room) { return room.bytes_free; });
  of_each("matrx_disk_total_bytes", "The size of that disk.",
          [](const DiskRoom& room) { return room.bytes_total; });
  of_each("matrx_disk_free_inodes", "Files that may still be made on it.",
          [](const DiskRoom& room) { return room.inodes_free; });
  metrics.family("matrx_disk_is_refusing", "gauge", "1: too little is free, no sandbox is made.");
  metrics.value(totals.is_refusing ? 1 : 0);
  metrics.family("matrx_disk_refused_total", "counter", "Creates refused for lack of room.");
  metrics.value(totals.refused);
  metrics.family("matrx_disk_ended_total", "counter", "Sandboxes ended to save the disk.");
  metrics.value(totals.ended);
}

}  // namespace

Task<http::Response> Api::metrics(Context&) {
  Metrics metrics;
  metrics.family("matrx_info", "gauge", "The version that runs.");
  metrics.value(1, fmt::format("version=\"{}\"", settings_.version));
  metrics.family("matrx_active_sandboxes", "gauge", "Sandboxes of this host that have not ended.");
  metrics.value(core_.active());
  metrics.family("matrx_unsaved_homes", "gauge", "Homes that wait here for the storage.");
  metrics.value(core_.unsaved_homes());
  metrics.family("matrx_oldest_checkpoint_seconds", "gauge",
                 "Since the oldest of the last checkpoints of homes that are in use here.");
  metrics.value(std::chrono::duration<double>(core_.oldest_checkpoint_age()).count());
  metrics.family("matrx_uptime_seconds", "gauge", "Since the start of the orchestrator.");
  const std::chrono::duration<double> up = std::chrono::steady_clock::now() - started_;
  metrics.value(up.count());
  metrics.family("matrx_task_failures_total", "counter",
                 "Tasks that a bug has ended; a loop among them begins anew.");
  metrics.value(0, "task=\"\"");  // so that the first one is seen as an increase
  for (const auto& [name, count] : core_.task_failures()) {
    metrics.value(count, fmt::format("task=\"{}\"", name));
  }
  metrics.family(
      "matrx_clock_step_seconds", "gauge",
      "How far the host's clock was set ahead of the registry's, which goes on as before.");
  metrics.value(std::chrono::duration<double>(core_.clock_step()).count());
  add_syncs(metrics, core_.home_sync().totals());
  add_cold(metrics, core_.cold_totals());
  add_walls(metrics, core_.walls());
  add_disk(metrics, core_.disk_totals());
  add_user_storage(metrics, core_.user_storage().totals());
  http::Response response;
  response.headers.add("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  response.body = metrics.take();
  co_return response;
}

}  // namespace matrx::api
