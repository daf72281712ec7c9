#pragma once
// Where containers run. Implemented by adapters/docker and by tests/fakes.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "async/task.hpp"
#include "base/time.hpp"
#include "model/egress.hpp"
#include "model/sandbox.hpp"

namespace matrx {

enum class ContainerState { created, running, paused, ended };

struct Container {
  std::string container_id;
  std::optional<SandboxId> sandbox_id;  // of its label; none where the label is not ours
  ContainerState state = ContainerState::created;
  int exit_code = 0;
  bool out_of_memory = false;
  std::string detail;  // the engine's own words, for the log
};

struct ContainerSpec {
  SandboxId id;
  std::string user_id;
  std::string image;
  Pairs env;
  Resources resources;
  std::string home_folder;  // on the host: becomes hot_path
  std::string hot_path;
  std::string cold_folder;  // becomes cold_path; empty: none
  std::string cold_path;
  // It holds cold_path's folder, and becomes the folder above cold_path: mounts made in it later
  // appear in the container.
  bool cold_is_parent = false;
  Egress egress = Egress::open;
  EgressList egress_list;  // of an allowlist
};

struct ContainerEvent {
  SandboxId sandbox_id;
};

// What keeps sandboxes from their host and its networks.
struct Walls {
  enum class State { not_ours, up, down };
  State state = State::not_ours;  // not_ours: nothing that the runtime would have to keep up
  bool is_required = false;       // while they are down no sandbox is made
  std::string problem;            // why they are down
  std::int64_t repairs = 0;       // found missing and put up again
  std::int64_t failures = 0;      // tries to put them up that did not work
};

// Errors of every method: unavailable = the engine does not answer; timeout = not in time;
// internal = it answered with something that we do not understand.
class Runtime {
 public:
  virtual ~Runtime() = default;

  // Makes what every sandbox needs (network, folders). Safe to repeat.
  virtual Task<Result<void>> prepare() = 0;

  // Reachable now?
  virtual Task<Result<void>> ping() = 0;

  // Whether the walls still stand, and what is missing put up again. For every reconciliation,
  // after prepare().
  virtual Task<Result<void>> look_after() = 0;
  virtual const Walls& walls() const = 0;

  // Of the engine's host; none: not known (yet).
  virtual std::optional<double> cpus() const = 0;

  // unavailable: the host has no memory left for one more sandbox. Asks nobody.
  virtual Result<void> check_room() const = 0;

  // Makes the container, not started, and returns its id. With the same sandbox id it returns the
  // one that exists. not_found: no such image; the message names it and says how to get it.
  // unavailable: an allowlist cannot be kept on this host.
  virtual Task<Result<std::string>> create(const ContainerSpec& spec) = 0;

  // Starts it. Starting a running one succeeds. conflict: the engine cannot start it (message).
  // not_found: it is gone.
  virtual Task<Result<void>> start(const SandboxId& id) = 0;

  // Stops every process of it where it stands, or lets them go on. One that is as wanted already
  // succeeds. conflict: it is not running. not_found: it is gone.
  virtual Task<Result<void>> pause(const SandboxId& id) = 0;
  virtual Task<Result<void>> resume(const SandboxId& id) = 0;

  // The last lines of what its first process wrote, at most bytes_max. not_found: it is gone.
  virtual Task<Result<std::string>> logs(const SandboxId& id, int lines, std::size_t bytes_max) = 0;

  // Kills and removes the container with all that belongs to it on the host; returns when the
  // engine has let go of it. Removing one that is gone succeeds.
  virtual Task<Result<void>> remove(const SandboxId& id) = 0;

  // As the engine sees it now; none where there is no such container.
  virtual Task<Result<std::optional<Container>>> inspect(const SandboxId& id) = 0;

  // Every container that carries our labels and our installation id, in any state.
  virtual Task<Result<std::vector<Container>>> list() = 0;

  // Where the engine keeps what sandboxes write outside of their homes. Empty: not on this host, or
  // not known yet.
  virtual std::string engine_folder() const { return {}; }
  // The same of one sandbox. Empty: it is gone, or is not kept as a folder.
  virtual Task<Result<std::string>> layer_folder(const SandboxId&) { co_return std::string(); }

  // Calls on_event for each container of ours that ended or vanished. connected() is called when
  // events flow: what happened before that has to be looked up. Returns when the stream breaks.
  virtual Task<Result<void>> watch(std::function<void()> connected,
                                   std::function<void(ContainerEvent)> on_event) = 0;
};

}  // namespace matrx
