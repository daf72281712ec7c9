#include "adapters/docker/firewall.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "adapters/docker/limits.hpp"
#include "base/child_process.hpp"
#include "base/files.hpp"
#include "base/ipv4.hpp"
#include "base/text.hpp"

namespace matrx::docker {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(2);
constexpr std::size_t kWordsBytesMax = 4096;
constexpr std::size_t kRulesBytesMax = 32 << 20;  // of a host; a rule has 60 bytes or so

// Empty where there is no such file, or none that we can read.
std::string text_of(const std::string& path) {
  auto text = read_file(path, kWordsBytesMax);
  return text ? std::move(*text).value_or("") : "";
}

// Runs programs to their ends, all of them within one deadline.
class Commands {
 public:
  explicit Commands(const std::filesystem::path& folder)
      : words_((folder / "firewall.err").string()),
        output_((folder / "firewall.out").string()),
        rules_((folder / "firewall.rules").string()) {
    std::error_code ignored;  // a command that cannot be heard says so
    std::filesystem::create_directories(folder, ignored);
  }

  Result<bool> succeeds(const std::vector<std::string>& words) {
    std::vector<std::string> arguments = words;
    arguments[0] = find_administration_program(words[0]);
    if (arguments[0].empty()) {
      return fail(Code::unavailable, "The program " + words[0] + " is not installed.");
    }
    ChildProcess process;
    CHECK_OK(process.start(std::move(arguments), child_environment({}, {}), words_, output_));
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

  // Lines for filter_table().
  Result<void> restore(std::string_view lines) {
    CHECK_OK(replace_file(rules_, filter_table(lines)));
    return run({"iptables-restore", "--noflush", "--wait", lock_wait(), rules_});
  }

  Result<void> put_up_jumps(const std::vector<FirewallJump>& jumps, const std::string& interface) {
    for (const auto& [from, to] : jumps) {
      const auto jump = [&](const char* what) -> std::vector<std::string> {
        return {"iptables", "--wait", lock_wait(), what, from, "-i", interface, "-j", to};
      };
      TRY(is_there, succeeds(jump("-C")));
      if (!is_there) CHECK_OK(run(jump("-I")));  // first: nobody lets pass what we refuse
    }
    return {};
  }

  // Every rule of the host, as iptables shows them.
  Result<std::string> all_rules() {
    CHECK_OK(run({"iptables", "--wait", lock_wait(), "-S"}));
    TRY(rules, read_file(output_, kRulesBytesMax));
    return std::move(rules).value_or("");
  }

  static bool are_there() { return !find_administration_program("iptables").empty(); }
  static std::string lock_wait() { return std::to_string(kFirewallLockWait.count()); }

 private:
  // Services often have no sbin in their PATH.
  static std::string find_administration_program(const std::string& name) {
    for (const char* folder : {"", "/usr/sbin/", "/sbin/"}) {
      if (auto path = find_program(folder + name); !path.empty()) return path;
    }
    return "";
  }

  std::string words_, output_, rules_;  // files: what a command says, and what it reads
  std::chrono::steady_clock::time_point until_ =
      std::chrono::steady_clock::now() + kFirewallDeadline;
};

Result<void> check_interface(const std::string& interface) {
  if (std::filesystem::exists("/sys/class/net/" + interface)) return {};
  return fail(Code::unavailable,
              "The network's interface " + interface +
                  " is not here: the container engine runs on another machine, or we run in a "
                  "container ourselves.");
}

// What a chain lets pass although the list does not name it.
std::vector<std::string> learned_of(const std::vector<std::string>& rules, const EgressList& list) {
  std::vector<std::string> learned;
  for (std::string& address : read_destinations(rules)) {
    const bool is_listed = std::ranges::find(list.ranges, address) != list.ranges.end();
    if (!is_listed && is_ipv4_address(address)) learned.push_back(std::move(address));
  }
  return learned;
}

}  // namespace

Result<void> put_up_firewall(const FirewallPlan& plan, const std::filesystem::path& folder) {
  CHECK_OK(check_interface(plan.bridge));
  Commands commands(folder);
  CHECK_OK(commands.restore(firewall_lines(plan)));
  return commands.put_up_jumps(firewall_jumps(plan.installation), plan.bridge);
}

Result<void> put_up_allowlist(const AllowlistPlan& plan, std::vector<ListedSandbox>& sandboxes,
                              const std::filesystem::path& folder) {
  CHECK_OK(check_interface(plan.bridge.interface));
  Commands commands(folder);
  TRY(host, commands.all_rules());
  std::vector<std::string> left_over =
      read_targets(rules_of(host, switch_chain(plan.installation)));
  std::vector<const ListedSandbox*> listed;
  listed.reserve(sandboxes.size());
  std::string lines;
  for (ListedSandbox& sandbox : sandboxes) {
    const std::string chain = sandbox_chain(sandbox.id);
    sandbox.learned = learned_of(rules_of(host, chain), sandbox.list);
    std::erase(left_over, chain);
    lines += sandbox_lines(sandbox);
    listed.push_back(&sandbox);
  }
  lines += switch_lines(plan.installation, listed) + allowlist_lines(plan);
  CHECK_OK(commands.restore(lines + removal_lines(left_over)));
  return commands.put_up_jumps(allowlist_jumps(plan.installation), plan.bridge.interface);
}

Result<void> change_firewall(std::string_view lines, const std::filesystem::path& folder) {
  return Commands(folder).restore(lines);
}

Result<void> take_down_firewall(std::string_view installation,
                                const std::filesystem::path& folder) {
  if (!Commands::are_there()) return {};  // who has put up anything had them
  Commands commands(folder);
  TRY(host, commands.all_rules());
  std::vector<std::string> chains;
  for (const auto& jumps : {firewall_jumps(installation), allowlist_jumps(installation)}) {
    for (const auto& [from, to] : jumps) {
      chains.push_back(to);
      for (const std::string& rule : rules_of(host, from)) {
        if (!rule.ends_with("-j " + to)) continue;
        std::vector<std::string> words = {"iptables", "--wait", Commands::lock_wait(), "-D"};
        for (const std::string_view word : split(rule, ' ')) words.emplace_back(word);
        words.erase(words.begin() + 4);  // the "-A" that the rule begins with
        CHECK_OK(commands.run(words));
      }
    }
  }
  const std::string by_sandbox = switch_chain(installation);
  chains.push_back(by_sandbox);
  for (std::string& chain : read_targets(rules_of(host, by_sandbox))) {
    chains.push_back(std::move(chain));
  }
  // Emptied first, all of them: a chain that another one leads to cannot be removed.
  std::string lines;
  for (const std::string& chain : chains) lines += ":" + chain + " - [0:0]\n";
  return commands.restore(lines + removal_lines(chains));
}

std::vector<std::string> host_nameservers(bool on_loopback) {
  // systemd-resolved listens on loopback; Docker then takes the servers behind it.
  for (const char* path : {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}) {
    std::error_code ec;  // often a link, which text_of() would not follow
    const auto file = std::filesystem::canonical(path, ec);
    if (ec) continue;
    auto servers = parse_nameservers(text_of(file.string()), on_loopback);
    if (!servers.empty()) return servers;
  }
  return {};
}

}  // namespace matrx::docker
