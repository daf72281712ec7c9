#pragma once
// The user name with which somebody comes in over SSH: which sandbox, until when, and the proof
// that we gave this out for the key at hand: "sbx-0123456789ab.1763757600.<32 hex digits>".

#include <optional>
#include <string>
#include <string_view>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace matrx {

inline constexpr std::size_t kAccessProofChars = 32;  // 128 bits

struct AccessName {
  SandboxId sandbox;
  std::chrono::sys_seconds expires_at;
  std::string proof;  // lower-case hexadecimal
};

std::string encode_access_name(const AccessName& name);

// Nothing: no such name. Exactly what encode_access_name() writes is taken.
std::optional<AccessName> decode_access_name(std::string_view text);

}  // namespace matrx
