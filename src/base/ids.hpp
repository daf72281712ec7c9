#pragma once
// Identifiers as types of their own: mixing them up does not compile.

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.hpp"

namespace matrx {

// "sbx-" and 12 lower-case hexadecimal digits. Safe in paths, labels and host names.
class SandboxId {
 public:
  SandboxId() = default;
  static SandboxId make(Random& random) { return SandboxId("sbx-" + random.hex(6)); }

  // Nothing where the text is not such an id.
  static std::optional<SandboxId> parse(std::string_view text);

  const std::string& text() const { return text_; }
  auto operator<=>(const SandboxId&) const = default;

 private:
  explicit SandboxId(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// ^[a-zA-Z0-9._-]{1,255}$, and not "." or "..": it becomes a folder name.
bool is_valid_user_id(std::string_view text);

}  // namespace matrx

template <>
struct std::hash<matrx::SandboxId> {
  std::size_t operator()(const matrx::SandboxId& id) const noexcept {
    return std::hash<std::string>{}(id.text());
  }
};
