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
constexpr std::size_t kRulesBytesMax = 1 << 20;  // of one chain; a line has 60 bytes or so

// Empty where there is no such file, or none that we can read.
std::string text_of(const std::string& path, std::size_t bytes_max = kWordsBytesMax) {
  auto text = read_file(path, bytes_max);
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

  // The rules of a chain, as iptables shows them. Empty: there is no such chain.
  Result<std::string> show(const std::string& chain) {
    TRY(is_there, succeeds({"iptables", "--wait", lock_wait(), "-S", chain}));
    return is_there ? text_of(output_, kRulesBytesMax) : "";
  }

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
std::vector<std::string> learned_of(const std::string& rules, const EgressList& list) {
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
  TRY(before, commands.show(switch_chain(plan.installation)));
  std::vector<std::string> left_over = read_targets(before);
  std::vector<const ListedSandbox*> listed;
  std::string lines;
  for (ListedSandbox& sandbox : sandboxes) {
    const std::string chain = sandbox_chain(sandbox.id);
    TRY(rules, commands.show(chain));
    sandbox.learned = learned_of(rules, sandbox.list);
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
  Commands commands(folder);
  std::vector<std::string> chains;
  for (const auto& jumps : {firewall_jumps(installation), allowlist_jumps(installation)}) {
    for (const auto& [from, to] : jumps) {
      TRY(rules, commands.show(from));
      for (const std::string_view line : split(rules, '\n')) {
        if (!line.ends_with("-j " + to)) continue;
        std::vector<std::string> words = {"iptables", "--wait", Commands::lock_wait(), "-D"};
        for (const std::string_view word : split(line, ' ')) words.emplace_back(word);
        words.erase(words.begin() + 4);  // the "-A" that the line begins with
        CHECK_OK(commands.run(words));
      }
      chains.push_back(to);
    }
  }
  const std::string by_sandbox = switch_chain(installation);
  chains.push_back(by_sandbox);
  TRY(rules, commands.show(by_sandbox));
  for (std::string& chain : read_targets(rules)) chains.push_back(std::move(chain));
  // Emptied first, all of them: a chain that another one leads to cannot be removed.
  std::vector<std::string> present;
  std::string lines;
  for (const std::string& chain : chains) {
    TRY(is_there, commands.show(chain));
    if (is_there.empty()) continue;
    present.push_back(chain);
    lines += ":" + chain + " - [0:0]\n";
  }
  if (present.empty()) return {};
  return commands.restore(lines + removal_lines(present));
}

std::vector<std::string> host_nameservers(bool on_loopback) {
  // systemd-resolved listens on loopback; Docker then takes the servers behind it.
  for (const char* path : {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}) {
    auto servers = parse_nameservers(text_of(path), on_loopback);
    if (!servers.empty()) return servers;
  }
  return {};
}

}  // namespace matrx::docker
