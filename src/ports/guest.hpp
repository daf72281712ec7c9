#pragma once
// The guest agent inside a sandbox, as core sees it. Everything that comes from there is hostile:
// an adapter bounds it and believes only that it comes from that sandbox.

#include <functional>
#include <optional>
#include <string>

#include "async/task.hpp"
#include "base/time.hpp"
#include "model/exec.hpp"
#include "model/sandbox.hpp"

namespace matrx {

enum class SignalKind { heartbeat, complete, error };

// What a program in the sandbox told its orchestrator.
struct AgentSignal {
  SignalKind kind = SignalKind::heartbeat;
  std::string text;          // error: the message
  std::string payload_json;  // complete: the result; error: the details; "" where absent
};

using SignalHandler = std::function<Task<Result<void>>(AgentSignal signal)>;

// Errors of every method: unavailable = no agent to be reached (the container may be dead);
// timeout = it did not answer in time.
class Guest {
 public:
  virtual ~Guest() = default;

  // Returns as soon as the agent answers. timeout: not within `limit`.
  virtual Task<Result<void>> wait_ready(const SandboxId& id, milliseconds limit) = 0;

  // Runs a command to its end. invalid: unknown user, or no such cwd; the message says which.
  // After spec.timeout the whole process tree has been killed: that is an outcome, not an error.
  virtual Task<Result<ExecOutcome>> exec(const SandboxId& id, const ExecSpec& spec) = 0;

  // Tells every process to end (SIGTERM) and returns when they have, at the latest after `grace`.
  // The agent ends itself after that, and with it the container.
  virtual Task<Result<void>> shutdown(const SandboxId& id, milliseconds grace) = 0;

  // Receives the sandbox's signals, one after the other, until the connection breaks: returns
  // unavailable then, which is also the quickest sign that a container has died.
  virtual Task<Result<void>> serve_signals(const SandboxId& id, SignalHandler handler) = 0;

  // Drops what is kept for this sandbox (connections). It may be gone already.
  virtual void forget(const SandboxId& id) = 0;
};

}  // namespace matrx
