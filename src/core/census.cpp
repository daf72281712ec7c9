#include "core/census.hpp"

#include <fmt/format.h>

namespace matrx {

Result<Census::Seat> Census::take_seat(const std::string& user_id) {
  const auto used = active_.size() + seats_;
  if (limits_.sandboxes > 0 && used >= static_cast<std::size_t>(limits_.sandboxes)) {
    return fail(Code::exhausted, fmt::format("This host has as many sandboxes as it takes ({}): "
                                             "end one, or try again later.",
                                             limits_.sandboxes));
  }
  const auto mine = of_user_.find(user_id);
  if (limits_.sandboxes_of_user > 0 && mine != of_user_.end() &&
      mine->second >= limits_.sandboxes_of_user) {
    return fail(
        Code::exhausted,
        fmt::format("This user has as many sandboxes here as one may have ({}): end one, or "
                    "try again later.",
                    limits_.sandboxes_of_user));
  }
  enter(user_id);
  ++seats_;
  return Seat(this, user_id);
}

void Census::add(const SandboxId& id, const std::string& user_id) {
  if (changed_) changed_->insert_or_assign(id, user_id);
  if (active_.emplace(id, user_id).second) enter(user_id);
}

void Census::remove(const SandboxId& id) {
  if (changed_) changed_->insert_or_assign(id, std::nullopt);
  const auto found = active_.find(id);
  if (found == active_.end()) return;
  drop(found->second);
  active_.erase(found);
}

void Census::finish_count(const std::vector<Sandbox>& rows) {
  if (!changed_) return;
  std::unordered_map<SandboxId, std::string> counted;
  for (const Sandbox& row : rows) counted.emplace(row.id, row.user_id);
  for (auto& [id, user] : *changed_) {
    counted.erase(id);
    if (user) counted.emplace(id, *std::move(user));
  }
  changed_.reset();
  for (const auto& [id, user] : active_) drop(user);
  active_ = std::move(counted);
  for (const auto& [id, user] : active_) enter(user);
}

void Census::leave(const std::string& user) {
  --seats_;
  drop(user);
}

void Census::drop(const std::string& user) {
  const auto found = of_user_.find(user);
  if (found != of_user_.end() && --found->second <= 0) of_user_.erase(found);
}

}  // namespace matrx
