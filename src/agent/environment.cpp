#include "agent/environment.hpp"

#include <algorithm>

namespace matrx::agent {
namespace {

constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

bool is_valid(std::string_view name, std::string_view value) {
  return !name.empty() &&
         name.find_first_of(std::string_view("=\0", 2)) == std::string_view::npos &&
         value.find('\0') == std::string_view::npos;
}

void set(Pairs& environment, std::string_view name, std::string_view value) {
  if (!is_valid(name, value)) return;
  for (auto& [key, old] : environment) {
    if (key == name) {
      old = value;
      return;
    }
  }
  environment.emplace_back(name, value);
}

}  // namespace

Pairs login_environment(const Pairs& own, const User& user, const Pairs& added) {
  Pairs environment;
  environment.reserve(own.size() + added.size() + 8);
  for (const auto& [name, value] : own) set(environment, name, value);
  std::erase_if(environment, [](const auto& pair) { return pair.first == "TERM"; });
  if (value_of(environment, "PATH").empty()) set(environment, "PATH", kDefaultPath);
  if (value_of(environment, "LANG").empty()) set(environment, "LANG", "C.UTF-8");
  set(environment, "HOME", user.home);
  set(environment, "USER", user.name);
  set(environment, "LOGNAME", user.name);
  set(environment, "SHELL", user.shell);
  for (const auto& [name, value] : added) set(environment, name, value);
  return environment;
}

std::vector<std::string> to_lines(const Pairs& environment) {
  std::vector<std::string> lines;
  lines.reserve(environment.size());
  for (const auto& [name, value] : environment) lines.push_back(name + "=" + value);
  return lines;
}

Pairs from_lines(const char* const* lines) {
  Pairs environment;
  for (; lines != nullptr && *lines != nullptr; ++lines) {
    const std::string_view line(*lines);
    const auto equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    environment.emplace_back(line.substr(0, equals), line.substr(equals + 1));
  }
  return environment;
}

std::string_view value_of(const Pairs& environment, std::string_view name) {
  std::string_view value;
  for (const auto& [key, text] : environment) {
    if (key == name) value = text;
  }
  return value;
}

std::string resolve_directory(const User& user, std::string_view path) {
  if (path.starts_with('/')) return std::string(path);
  if (path == "~") return user.home;
  if (path.starts_with("~/")) path.remove_prefix(2);
  return user.home + (user.home.ends_with('/') ? "" : "/") + std::string(path);
}

}  // namespace matrx::agent
