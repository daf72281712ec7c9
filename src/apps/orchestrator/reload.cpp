#include "apps/orchestrator/reload.hpp"

#include <algorithm>
#include <utility>

#include "apps/orchestrator/settings_file.hpp"

namespace matrx {
namespace {

constexpr const char* kAsBefore = "settings are as before: they cannot be read again";

// What has changed and stays as it is until the program starts anew.
std::string waiting_for_a_start(std::vector<std::string> changed) {
  std::string names;
  for (const auto& name : changed) {
    if (name == "MATRX_API_KEY" || name == "MATRX_LOG_LEVEL") continue;
    names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

}  // namespace

Reload::Reload(Environment environment, std::vector<std::string> keys, UseKeys use_keys)
    : environment_(std::move(environment)),
      before_(with_settings_file(environment_).value_or(environment_)),
      keys_(std::move(keys)),
      use_keys_(std::move(use_keys)) {}

void Reload::run() {
  if (environment_("MATRX_SETTINGS_FILE").value_or("").empty()) {
    log::warning(kAsBefore, {{"reason",
                              "MATRX_SETTINGS_FILE names no file; what is in the "
                              "environment changes with the next start"}});
    return;
  }
  const auto now = with_settings_file(environment_);
  if (now) return run_with(*now);
  log::error(kAsBefore, {{"reason", now.error().message}, {"internal", now.error().internal}});
}

void Reload::run_with(const Environment& now) {
  auto config = read_config(now);
  if (!config) return log::error(kAsBefore, {{"reason", config.error().message}});
  if (config->api_keys.empty() && !keys_.empty()) {
    return log::error(kAsBefore, {{"reason",
                                   "MATRX_API_KEY is gone; without a key the API opens "
                                   "at the next start only"}});
  }
  const auto is_new = [this](const std::string& key) {
    return std::ranges::find(keys_, key) == keys_.end();
  };
  const auto added = std::ranges::count_if(config->api_keys, is_new);
  const auto kept = static_cast<std::ptrdiff_t>(config->api_keys.size()) - added;
  const auto removed = static_cast<std::ptrdiff_t>(keys_.size()) - kept;
  log::set_level(config->log_level);
  if (added > 0 || removed > 0) {
    keys_ = config->api_keys;
    use_keys_(std::move(config->api_keys));
  }
  log::info("settings were read again",
            {{"keys_added", added},
             {"keys_removed", removed},
             {"log_level", log::level_name(config->log_level)},
             {"change_with_the_next_start", waiting_for_a_start(changed(before_, now))}});
}

}  // namespace matrx
