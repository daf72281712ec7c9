#include "apps/orchestrator/run.hpp"

#include <fmt/core.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <climits>
#include <csignal>

#include "adapters/disk/local_disk.hpp"
#include "adapters/docker/docker_runtime.hpp"
#include "adapters/docker/name_server.hpp"
#include "adapters/guest/guest_machine.hpp"
#include "adapters/homes/local_homes.hpp"
#include "adapters/localdisk/local_cold.hpp"
#include "adapters/localdisk/local_disk_storage.hpp"
#include "adapters/memory/memory_store.hpp"
#include "adapters/mount_s3/mount_s3.hpp"
#include "adapters/mounts/supervised_mounts.hpp"
#include "adapters/postgres/postgres_store.hpp"
#include "adapters/rclone/rclone_mounter.hpp"
#include "adapters/rclone/rclone_storage.hpp"
#include "adapters/sqlite/sqlite_store.hpp"
#include "api/api.hpp"
#include "apps/orchestrator/config.hpp"
#include "apps/orchestrator/dashboard_files.hpp"
#include "apps/orchestrator/data_dir.hpp"
#include "apps/orchestrator/kernel_tables.hpp"
#include "apps/orchestrator/reload.hpp"
#include "apps/orchestrator/settings_file.hpp"
#include "async/notice.hpp"
#include "base/boot.hpp"
#include "base/limits.hpp"
#include "http/server.hpp"
#include "ssh/gateway.hpp"

namespace matrx {
namespace {

constexpr auto kLogFlushInterval = std::chrono::milliseconds(100);
constexpr int kExitWrongSetup = 2;
constexpr auto kServingPoll = std::chrono::milliseconds(60'000);

std::string machine_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

CoreSettings core_settings(const Config& config, const DataDir& data) {
  CoreSettings settings;
  settings.installation = data.installation();
  settings.host_name = config.host_name.empty() ? machine_name() : config.host_name;
  settings.history_retention_days = config.history_retention_days;
  settings.image = config.sandbox_image;
  settings.resources = {.cpu = config.cpu_limit,
                        .memory_bytes = config.memory_limit_bytes,
                        .pids = config.pids_limit};
  settings.limits = {.sandboxes = config.sandboxes_max,
                     .sandboxes_of_user = config.sandboxes_of_user_max};
  settings.home_bytes_max = config.hot_size_limit_bytes;
  settings.home_sync_interval = seconds(config.hot_sync_interval_seconds);
  settings.disk = config.disk;
  if (config.store == "memory") settings.stray_home_patience = milliseconds(0);
  settings.ttl_seconds = config.session_seconds;
  settings.ttl_seconds_max = config.ttl_seconds_max;
  settings.shutdown_timeout = seconds(config.shutdown_timeout_seconds);
  settings.reconcile_interval = seconds(config.healthcheck_interval_seconds);
  return settings;
}

api::ApiSettings api_settings(const Config& config, AccessDoor* access) {
  return {.version = MATRX_VERSION,
          .key_header = config.api_key_header,
          .keys = config.api_keys,
          .public_origins = config.public_origins,
          .limits = {.command_chars_max = config.command_chars_max,
                     .timeout_seconds_max = config.command_timeout_seconds,
                     .ttl_seconds_max = config.ttl_seconds_max},
          .proxy_timeout = seconds(config.proxy_timeout_seconds),
          .ttl_seconds_default = config.session_seconds,
          .dashboard = dashboard_files(),
          .widget_origins = config.widget_origins,
          .access = access,
          .access_host = config.ssh_address};
}

std::unique_ptr<Store> make_store(const Config& config, const DataDir& data, Clock& clock) {
  if (config.store == "memory") return std::make_unique<MemoryStore>(clock);
  if (config.store == "postgres") {
    return std::make_unique<PostgresStore>(
        config.database_url, static_cast<std::size_t>(config.database_connections), clock);
  }
  const std::string path =
      config.database_url.empty() ? data.registry().string() : config.database_url;
  return std::make_unique<SqliteStore>(path, clock);
}

Result<std::unique_ptr<DockerRuntime>> make_runtime(const Config& config, const DataDir& data) {
  const std::filesystem::path beside =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "matrx-agent";
  TRY(agent, data.install_agent(
                 config.agent_path.empty() ? beside : std::filesystem::path(config.agent_path)));
  FirewallMode firewall = FirewallMode::automatic;
  if (config.firewall == "required") firewall = FirewallMode::required;
  if (config.firewall == "external") firewall = FirewallMode::external;
  if (config.firewall == "off") firewall = FirewallMode::off;
  return DockerRuntime::make({.installation = data.installation(),
                              .host = config.docker_host,
                              .tls_verify = config.docker_tls_verify,
                              .cert_path = config.docker_cert_path,
                              .network = config.docker_network,
                              .image = config.sandbox_image,
                              .sandboxes_dir = data.sandboxes(),
                              .agent_path = agent,
                              .is_strict = config.isolation == "strict",
                              .oci_runtime = config.oci_runtime,
                              .firewall = firewall,
                              .egress_allowed = config.egress_allow,
                              .memory_reserve_bytes = config.host_memory_reserve_bytes});
}

rclone::DaemonSettings rclone_settings(const Config& config, const DataDir& data) {
  return {
      .folder = data.rclone().string(), .region = config.s3_region, .endpoint = config.s3_endpoint};
}

std::unique_ptr<Storage> make_storage(const Config& config, const DataDir& data,
                                      rclone::Daemon& rclone) {
  if (config.s3_bucket.empty()) {
    return std::make_unique<LocalDiskStorage>(data.storage().string());
  }
  return std::make_unique<RcloneStorage>(rclone, config.s3_bucket, config.s3_endpoint,
                                         data.staging().string());
}

std::unique_ptr<ColdMounts> make_cold(const Config& config, const DataDir& data,
                                      rclone::Daemon& rclone, Clock& clock) {
  if (config.cold_driver == "off") return std::make_unique<NoColdMounts>();
  if (config.s3_bucket.empty()) return std::make_unique<LocalCold>(data.storage().string());
  std::unique_ptr<Mounter> mounter;
  if (config.cold_driver == "mount-s3") {
    MountS3Settings settings{.folder = data.mount_s3().string(),
                             .bucket = config.s3_bucket,
                             .region = config.s3_region,
                             .endpoint = config.s3_endpoint};
    mounter = std::make_unique<MountS3>(std::move(settings), clock);
  } else {
    mounter = std::make_unique<RcloneMounter>(rclone, config.s3_bucket, read_boot_id(), clock);
  }
  return std::make_unique<SupervisedMounts>(std::move(mounter), data.cold().string(),
                                            config.cold_cache_bytes, clock);
}

std::unique_ptr<ssh::Gateway> make_gateway(const Config& config, const DataDir& data,
                                           Executor executor, Core& core, Clock& clock,
                                           Random& random) {
  if (!config.ssh_port) return nullptr;
  ssh::GatewaySettings settings{.host = config.host,
                                .port = static_cast<std::uint16_t>(*config.ssh_port),
                                .folder = data.ssh().string()};
  return std::make_unique<ssh::Gateway>(executor, std::move(settings), core, clock, random);
}

std::unique_ptr<Homes> make_homes(const Config& config, const DataDir& data) {
  HomeExcludes excludes = {"*.tmp", ".DS_Store", "__pycache__/"};
  excludes.insert(excludes.end(), config.hot_sync_exclude.begin(), config.hot_sync_exclude.end());
  const HomeLimits limits{.nodes_max = kHomeNodesMax, .bytes_max = config.hot_size_limit_bytes};
  return std::make_unique<LocalHomes>(data.homes().string(), data.installation(), read_boot_id(),
                                      std::move(excludes), limits);
}

std::unique_ptr<Disk> make_disk(const DataDir& data) {
  return std::make_unique<LocalDisk>(LocalDiskFolders{.data = data.path().string(),
                                                      .homes = data.homes().string(),
                                                      .sandboxes = data.sandboxes().string(),
                                                      .reserve = data.reserve().string()});
}

// A line waits for company at most this long; see log::descriptor_sink.
Task<void> flush_log(Clock& clock) {
  for (;;) {
    co_await clock.sleep(kLogFlushInterval);
    log::flush();
  }
}

// The first signal asks for a clean end, the second one is obeyed at once.
Task<void> end_on_signal(http::Server& server, ssh::Gateway* gateway) {
  asio::signal_set signals(co_await asio::this_coro::executor, SIGINT, SIGTERM);
  co_await signals.async_wait(asio::use_awaitable);
  log::info("stopping; sandboxes live on");
  server.stop(http::Server::AfterDrain::cancel);
  if (gateway != nullptr) gateway->stop();
  co_await signals.async_wait(asio::use_awaitable);
  log::warning("stopping at once");
  log::flush();
  _exit(1);
}

// A terminal that closes, or somebody who has changed the settings.
Task<void> reload_on_hang_up(Reload& reload) {
  asio::signal_set signals(co_await asio::this_coro::executor, SIGHUP);
  for (;;) {
    co_await signals.async_wait(asio::use_awaitable);
    reload.run();
  }
}

// An engine that is away comes back by itself; what is wrong with its network does not.
Task<Result<void>> first_reconciliation(Core& core) {
  const auto reconciled = co_await core.reconcile();
  if (reconciled) co_return Result<void>();
  const Error& error = reconciled.error();
  if (error.code == Code::invalid) co_return std::unexpected(error);
  log::warning("the first reconciliation did not come to its end; trying again",
               {{"error", error.message}, {"internal", error.internal}});
  co_return Result<void>();
}

// The server, from before anything is open: a start that waits answers, and can be ended.
class Serving {
 public:
  Serving(Executor executor, http::Server& server) : server_(server), tasks_(executor) {}

  void start() { tasks_.spawn("server", run()); }
  // Returns when the server has been stopped.
  Task<void> wait() {
    while (!is_over_) co_await over_.wait(kServingPoll);
  }
  Task<void> end() {
    server_.stop(http::Server::AfterDrain::cancel);
    return tasks_.join();
  }

 private:
  Task<void> run() {
    co_await server_.run();
    is_over_ = true;
    over_.notify();
  }

  http::Server& server_;
  Notice over_;
  bool is_over_ = false;
  TaskGroup tasks_;
};

Task<Result<void>> work(const Config& config, Core& core, http::Server& server,
                        ssh::Gateway* gateway, Serving& serving) {
  CO_CHECK(co_await first_reconciliation(core));
  core.start();
  log::info("orchestrator ready",
            {{"host", config.host},
             {"port", server.port()},
             {"store", config.store},
             {"storage", config.s3_bucket.empty() ? "local disk" : "s3:" + config.s3_bucket},
             {"active_sandboxes", core.active()},
             {"version", MATRX_VERSION}});
  TaskGroup ways(co_await asio::this_coro::executor);
  if (gateway != nullptr) ways.spawn("ssh gateway", gateway->run());
  co_await serving.wait();
  co_await ways.join();
  co_return Result<void>();
}

Task<Result<void>> serve(const Config& config, Core& core, http::Server& server,
                         ssh::Gateway* gateway, docker::NameServer& names, Reload& reload,
                         Clock& clock) {
  const auto executor = co_await asio::this_coro::executor;
  TaskGroup helpers(executor);
  helpers.spawn_for_ever("log flush", clock, [&clock] { return flush_log(clock); });
  helpers.spawn("signals", end_on_signal(server, gateway));
  helpers.spawn("hang-ups", reload_on_hang_up(reload));
  helpers.spawn_for_ever("name server", clock, [&names] { return names.run(); });
  Serving serving(executor, server);
  auto result = server.listen_tcp(config.host, static_cast<std::uint16_t>(config.port));
  if (result) {
    core.wait_for_start();
    serving.start();
    log::info("listening", {{"host", config.host}, {"port", server.port()}});
    const auto opened = co_await unless_first(serving.wait(), core.open());
    if (opened) result = *opened;
    if (opened && result && gateway != nullptr) result = gateway->open();
    if (opened && result) result = co_await work(config, core, server, gateway, serving);
    co_await serving.end();
    // Whatever ended it: the first look at the homes may have begun something.
    core.cancel();
    co_await core.join();
  }
  helpers.cancel();
  co_await helpers.join();
  co_await names.join();
  co_return result;
}

Result<void> run(const Config& config, const PortsFilter& filter) {
  if (config.api_keys.empty()) {
    log::warning("MATRX_API_KEY is not set: everybody who reaches this address can use it",
                 {{"host", config.host}, {"port", config.port}});
  }
  if (has_short_key(config)) {
    log::warning("MATRX_API_KEY holds a key that can be found by trying",
                 {{"characters_at_least", kKeyCharsMin}});
  }
  warn_of_small_kernel_tables();
  SystemClock clock;
  SystemRandom random;
  TRY(data, DataDir::open(config.data_dir, random));
  const DiskReserve reserve(data->reserve().string());
  TRY(is_full, reserve.release_where_full());
  if (is_full) log::warning("the disk is full: the reserve on it is given free for the start");
  asio::io_context io(1);
  rclone::Daemon rclone(rclone_settings(config, *data), clock);
  Ports ports;  // their connections belong to the loop: gone before it
  TRY(runtime, make_runtime(config, *data));
  docker::EgressGate& gate = runtime->egress_gate();
  ports.runtime = std::move(runtime);
  ports.store = make_store(config, *data, clock);
  auto guest = std::make_unique<GuestClient>(clock, data->sandboxes());
  ports.machine = std::make_unique<GuestMachine>(clock, *guest);
  ports.guest = std::move(guest);
  ports.storage = make_storage(config, *data, rclone);
  ports.homes = make_homes(config, *data);
  ports.cold = make_cold(config, *data, rclone, clock);
  ports.disk = make_disk(*data);
  if (filter) filter(ports);
  Core core(io.get_executor(), core_settings(config, *data), *ports.store, *ports.runtime,
            *ports.guest, *ports.machine, *ports.storage, *ports.homes, *ports.cold, *ports.disk,
            clock, random);
  const auto gateway = make_gateway(config, *data, io.get_executor(), core, clock, random);
  docker::NameServer names(io.get_executor(), gate, config.egress_nameservers, clock, random);
  api::Api api(api_settings(config, gateway.get()), core, random);
  http::Server server(io.get_executor(),
                      [&api](http::Request& request) { return api.handle(request); });
  Reload reload(process_environment(), config.api_keys,
                [&api](std::vector<std::string> keys) { api.use_keys(std::move(keys)); });
  Result<void> result;
  asio::co_spawn(io, serve(config, core, server, gateway.get(), names, reload, clock),
                 [&](std::exception_ptr error, Result<void> served) {
                   if (error) std::rethrow_exception(error);
                   result = std::move(served);
                   io.stop();
                 });
  io.run();
  return result;
}

// What the package's removal runs. Nobody listens meanwhile, and nothing is in the registry's way.
Result<void> take_down(const Config& config) {
  SystemRandom random;
  TRY(data, DataDir::open(config.data_dir, random));
  asio::io_context io(1);
  TRY(runtime, make_runtime(config, *data));
  Result<void> result;
  asio::co_spawn(io, runtime->take_down(), [&](std::exception_ptr error, Result<void> done) {
    if (error) std::rethrow_exception(error);
    result = std::move(done);
    io.stop();
  });
  io.run();
  return result;
}

// As many descriptors as we may have: each sandbox holds a few.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int run_orchestrator(const std::vector<std::string>& arguments, const PortsFilter& filter) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);  // until there is something to read again
  raise_descriptor_limit();
  bool is_taken_down = false;
  for (const auto& argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      fmt::print(
          "matrx-orchestrator: sandboxes for AI agents over an HTTP API.\n\n"
          "  --help               this text\n"
          "  --version\n"
          "  --print-env-example  the settings as a file for the environment\n"
          "  --take-down          remove this installation's firewall rules and networks from the\n"
          "                       host; with the orchestrator stopped and no sandbox left\n\n"
          "Settings, from the environment:\n{}",
          config_help());
      return 0;
    }
    if (argument == "--version") {
      fmt::print("matrx-orchestrator {}\n", MATRX_VERSION);
      return 0;
    }
    if (argument == "--print-env-example") {
      fmt::print("{}", config_example());
      return 0;
    }
    if (argument == "--take-down") {
      is_taken_down = true;
      continue;
    }
    fmt::print(stderr, "matrx-orchestrator: unknown argument '{}'; see --help\n", argument);
    return kExitWrongSetup;
  }
  const auto environment = with_settings_file(process_environment());
  const auto config =
      environment ? read_config(*environment) : std::unexpected(environment.error());
  if (!config) {
    fmt::print(stderr, "matrx-orchestrator: {}\n", config.error().message);
    return kExitWrongSetup;
  }
  log::configure(config->log_level, config->log_format, log::descriptor_sink(STDOUT_FILENO));
  const auto result = is_taken_down ? take_down(*config) : run(*config, filter);
  log::close(kLogCloseLimit);
  if (result) return 0;
  const auto& error = result.error();
  fmt::print(stderr, "matrx-orchestrator: {}{}{}\n", error.message,
             error.internal.empty() ? "" : " ", error.internal);
  return kExitWrongSetup;
}

}  // namespace matrx
