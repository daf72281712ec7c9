#include "core/stray_homes.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/limits.hpp"
#include "base/log.hpp"

namespace matrx {

bool StrayHomes::is_ours(const KeptHome& home) const {
  const bool is_from_here =
      home.installation.empty() || home.installation == settings_.installation;
  return is_from_here && is_valid_user_id(home.user_id);
}

void StrayHomes::found(const std::vector<KeptHome>& homes) {
  std::unordered_set<SandboxId> ids;
  for (const KeptHome& home : homes) {
    ids.insert(home.id);
    const auto [at, is_new] = known_.try_emplace(home.id);
    Known& known = at->second;
    if (is_new) known.since = clock_.uptime();
    if (!is_ours(home)) {
      report(home, "home on the disk that is nobody's, or another installation's; left alone");
      continue;
    }
    if (clock_.uptime() < known.since + settings_.stray_home_patience) {
      report(home, "home on the disk without a sandbox in the registry; to be saved later");
      continue;
    }
    if (known.under_way || clock_.uptime() < known.try_at) continue;
    known.under_way = true;
    homes_.expect_stray(home);
    tasks_.spawn("save a stray home", save(home));
  }
  std::erase_if(known_, [&](const auto& entry) {
    return !entry.second.under_way && !ids.contains(entry.first);
  });
}

// No row, and no container in which something could run.
Task<Result<bool>> StrayHomes::is_nobodys(const SandboxId& id) {
  const auto row = co_await store_.get(id);
  if (row) co_return false;
  if (row.error().code != Code::not_found) co_return std::unexpected(row.error());
  CO_TRY(container, co_await runtime_.inspect(id));
  co_return !container.has_value();
}

Task<void> StrayHomes::save(KeptHome home) {
  struct Over {
    StrayHomes& strays;
    SandboxId id;
    ~Over() { strays.known_[id].under_way = false; }
  } const over{*this, home.id};
  // Whoever changes anything of this sandbox has its turn.
  const auto turn = co_await driver_.take_turn(home.id);
  const auto nobodys = co_await is_nobodys(home.id);
  if (nobodys && !*nobodys) {
    homes_.let_go_stray(home.id);
    report(home,
           "home on the disk without a sandbox in the registry; left alone, because there "
           "is a container");
  }
  if (!nobodys || !*nobodys) co_return;
  const auto saved = co_await homes_.save_stray(home);
  if (saved) {
    log::info("home without a sandbox in the registry saved",
              {{"sandbox_id", home.id.text()}, {"user_id", home.user_id}});
    co_return;
  }
  Known& known = known_[home.id];
  known.pause = std::clamp<milliseconds>(known.pause * 2, kSaveRetryMin, kSaveRetryMax);
  known.try_at = clock_.uptime() + known.pause;
}

void StrayHomes::report(const KeptHome& home, const char* what) {
  if (std::exchange(known_[home.id].reported, true)) return;
  log::warning(what, {{"sandbox_id", home.id.text()},
                      {"user_id", home.user_id},
                      {"installation", home.installation}});
}

}  // namespace matrx
