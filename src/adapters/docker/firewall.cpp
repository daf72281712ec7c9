#include "adapters/docker/firewall.hpp"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "adapters/docker/limits.hpp"
#include "base/child_process.hpp"
#include "base/files.hpp"
#include "base/text.hpp"

namespace matrx::docker {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(2);
constexpr std::size_t kWordsBytesMax = 4096;

// Empty where there is no such file, or none that we can read.
std::string text_of(const std::string& path) {
  auto text = read_file(path, kWordsBytesMax);
  return text ? std::move(*text).value_or("") : "";
}

// Runs one command to its end.
class Commands {
 public:
  explicit Commands(const std::filesystem::path& folder)
      : words_((folder / "firewall.err").string()) {}

  Result<bool> succeeds(const std::vector<std::string>& words) {
    std::vector<std::string> arguments = words;
    arguments[0] = find_administration_program(words[0]);
    if (arguments[0].empty()) {
      return fail(Code::unavailable, "The program " + words[0] + " is not installed.");
    }
    ChildProcess process;
    CHECK_OK(process.start(std::move(arguments), child_environment({}, {}), words_));
    while (process.is_running()) {
      if (std::chrono::steady_clock::now() > until_) {
        return fail(Code::timeout, words[0] + " does not end.");
      }
      std::this_thread::sleep_for(kPoll);
    }
    return process.status() == 0;
  }

  Result<void> run(const std::vector<std::string>& words) {
    TRY(good, succeeds(words));
    if (good) return {};
    const std::string why = to_valid_utf8(text_of(words_));
    return fail(Code::unavailable,
                fmt::format("{} refuses: {}", words[0], std::string(trim(split(why, '\n')[0]))),
                fmt::format("{}", fmt::join(words, " ")));
  }

 private:
  // Services often have no sbin in their PATH.
  static std::string find_administration_program(const std::string& name) {
    for (const char* folder : {"", "/usr/sbin/", "/sbin/"}) {
      if (auto path = find_program(folder + name); !path.empty()) return path;
    }
    return "";
  }

  std::string words_;  // the file that takes what a command says
  std::chrono::steady_clock::time_point until_ =
      std::chrono::steady_clock::now() + kFirewallDeadline;
};

}  // namespace

Result<void> put_up_firewall(const FirewallPlan& plan, const std::filesystem::path& folder) {
  if (!std::filesystem::exists("/sys/class/net/" + plan.bridge)) {
    return fail(Code::unavailable,
                "The network's interface " + plan.bridge +
                    " is not here: the container engine runs on another machine, or we run in a "
                    "container ourselves.");
  }
  const std::string rules = (folder / "firewall.rules").string();
  CHECK_OK(replace_file(rules, firewall_rules(plan)));
  const std::string wait = std::to_string(kFirewallLockWait.count());
  Commands commands(folder);
  CHECK_OK(commands.run({"iptables-restore", "--noflush", "--wait", wait, rules}));
  for (const auto& [from, to] : firewall_jumps(plan.installation)) {
    const auto jump = [&](const char* what) -> std::vector<std::string> {
      return {"iptables", "--wait", wait, what, from, "-i", plan.bridge, "-j", to};
    };
    TRY(is_there, commands.succeeds(jump("-C")));
    if (!is_there) CHECK_OK(commands.run(jump("-I")));  // first: nobody lets pass what we refuse
  }
  return {};
}

std::vector<std::string> host_nameservers() {
  // systemd-resolved listens on loopback; Docker then takes the servers behind it.
  for (const char* path : {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}) {
    if (auto servers = parse_nameservers(text_of(path)); !servers.empty()) return servers;
  }
  return {};
}

}  // namespace matrx::docker
