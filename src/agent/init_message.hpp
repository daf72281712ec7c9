#pragma once
// POST /init: what the orchestrator tells the agent about its sandbox (client-contracts.md §1.9).

#include <optional>
#include <string>

#include "agent/sandbox_settings.hpp"
#include "wire/json.hpp"

namespace matrx::agent {

// What is missing stays as it was. Others of the original's fields (timestamp, volumeMounts, …)
// mean nothing here.
struct InitMessage {
  std::optional<Pairs> variables;
  std::optional<std::string> access_token, default_user, default_workdir;
};

Result<InitMessage> read_init(std::string_view text);

// own: the container's environment.
void apply_init(const InitMessage& message, const Pairs& own, SandboxSettings& settings);

}  // namespace matrx::agent
