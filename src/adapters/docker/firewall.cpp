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
constexpr const char* kWayIn = "DOCKER-USER";
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

  Result<void> restore_tables(const std::string& tables) {
    CHECK_OK(replace_file(rules_, tables));
    return run({"iptables-restore", "--noflush", "--wait", lock_wait(), rules_});
  }
  // Lines for filter_table().
  Result<void> restore(std::string_view lines) { return restore_tables(filter_table(lines)); }

  // Where the kernel cannot count connections, rules without limits are better than none.
  template <class Plan, class Lines>
  Result<std::string> restore_with_limits(Plan plan, Lines lines_of) {
    std::string lines = lines_of(plan);
    auto up = restore(lines);
    if (!up && plan.has_limits) {
      plan.has_limits = false;
      lines = lines_of(plan);
      up = restore(lines);
    }
    if (!up) return std::unexpected(up.error());
    return lines;
  }

  // Of each jump whether it is there; with `put_up` made where it is not.
  Result<bool> look_at_jumps(const std::vector<FirewallJump>& jumps, const std::string& interface,
                             bool put_up) {
    for (const auto& [from, to, is_nat] : jumps) {
      const auto jump = [&](const char* what) {
        std::vector<std::string> words = in_table(is_nat);
        words.insert(words.end(), {what, from});
        if (!is_nat) words.insert(words.end(), {"-i", interface});
        words.insert(words.end(), {"-j", to});
        return words;
      };
      TRY(is_there, succeeds(jump("-C")));
      if (!is_there && !put_up) return false;
      if (!is_there) CHECK_OK(run(jump("-I")));  // first: nobody lets pass what we refuse
    }
    return true;
  }
  Result<void> put_up_jumps(const std::vector<FirewallJump>& jumps, const std::string& interface) {
    TRY(up, look_at_jumps(jumps, interface, true));
    return up ? Result<void>() : fail(Code::internal, "A jump is not there.");
  }

  // The engine's own way into DOCKER-USER, made as the engine makes it: one whose rules are
  // nftables' has none, and who flushes rules takes it away.
  Result<bool> look_at_way_in(bool put_up) {
    const std::vector<std::string> chain = {"-S", kWayIn}, made = {"-N", kWayIn};
    const std::vector<std::string> jump = {"-C", "FORWARD", "-j", kWayIn};
    const std::vector<std::string> jumped = {"-I", "FORWARD", "-j", kWayIn};
    for (const auto& [look, mend] : {std::pair(chain, made), std::pair(jump, jumped)}) {
      std::vector<std::string> looking = in_table(false), mending = in_table(false);
      looking.insert(looking.end(), look.begin(), look.end());
      mending.insert(mending.end(), mend.begin(), mend.end());
      TRY(is_there, succeeds(looking));
      if (!is_there && !put_up) return false;
      if (!is_there) CHECK_OK(run(mending));
    }
    return true;
  }

  // Every rule of the host, as iptables shows them.
  Result<std::string> all_rules(bool is_nat = false) {
    std::vector<std::string> words = in_table(is_nat);
    words.emplace_back("-S");
    CHECK_OK(run(words));
    TRY(rules, read_file(output_, kRulesBytesMax));
    return std::move(rules).value_or("");
  }

  static bool are_there() { return !find_administration_program("iptables").empty(); }
  static std::vector<std::string> in_table(bool is_nat) {
    return {"iptables", "--wait", lock_wait(), "-t", is_nat ? "nat" : "filter"};
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

// Of these chains.
std::string shown_of(std::string_view host, const std::vector<std::string>& chains) {
  std::string shown;
  for (const std::string& chain : chains) {
    for (const std::string& rule : rules_of(host, chain)) shown += rule + "\n";
  }
  return shown;
}

Result<std::string> shown_allowlist(Commands& commands, std::string_view host,
                                    std::string_view installation) {
  std::string shown = shown_of(host, allowlist_chains(installation));
  TRY(nat, commands.all_rules(true));
  return shown + shown_of(nat, {way_out_chain(installation)});
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

Result<KeptRules> keep_up_firewall(const FirewallPlan& plan, const KeptRules& before,
                                   const std::filesystem::path& folder) {
  CHECK_OK(check_interface(plan.bridge));
  Commands commands(folder);
  const auto jumps = firewall_jumps(plan.installation);
  const std::vector<std::string> chains = {forward_chain(plan.installation),
                                           input_chain(plan.installation)};
  KeptRules kept{.wanted = plan.bridge + "\n" + firewall_lines(plan), .shown = {}};
  if (kept.wanted == before.wanted) {
    TRY(way_in, commands.look_at_way_in(false));
    TRY(jumped, commands.look_at_jumps(jumps, plan.bridge, false));
    TRY(host, commands.all_rules());
    if (way_in && jumped && shown_of(host, chains) == before.shown) {
      return KeptRules{
          .wanted = before.wanted, .shown = before.shown, .has_limits = before.has_limits};
    }
    kept.was_missing = true;
  }
  TRY(put_up, commands.restore_with_limits(plan, firewall_lines));
  TRY(way_in, commands.look_at_way_in(true));
  if (!way_in) return fail(Code::internal, "There is no DOCKER-USER.");
  CHECK_OK(commands.put_up_jumps(jumps, plan.bridge));
  TRY(host, commands.all_rules());
  kept.shown = shown_of(host, chains);
  kept.has_limits = put_up.contains("--connlimit-above");
  return kept;
}

Result<KeptRules> put_up_allowlist(const AllowlistPlan& plan, std::vector<ListedSandbox>& sandboxes,
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
    const auto rules = rules_of(host, chain);
    if (!rules.empty()) sandbox.learned = learned_of(rules, sandbox.list);
    std::erase(left_over, chain);
    lines += sandbox_lines(sandbox);
    listed.push_back(&sandbox);
  }
  lines += switch_lines(plan.installation, listed);
  const auto all_lines = [&](const AllowlistPlan& wanted) {
    return lines + allowlist_lines(wanted) + removal_lines(left_over);
  };
  TRY(put_up, commands.restore_with_limits(plan, all_lines));
  TRY(way_in, commands.look_at_way_in(true));
  if (!way_in) return fail(Code::internal, "There is no DOCKER-USER.");
  // The way out last: it is for what the others have let pass.
  CHECK_OK(commands.restore_tables(way_out_table(plan)));
  CHECK_OK(commands.put_up_jumps(allowlist_jumps(plan.installation), plan.bridge.interface));
  TRY(now, commands.all_rules());
  TRY(shown, shown_allowlist(commands, now, plan.installation));
  return KeptRules{.wanted = std::move(put_up), .shown = std::move(shown)};
}

Result<bool> is_allowlist_up(const AllowlistPlan& plan, const KeptRules& before,
                             const std::vector<ListedSandbox>& sandboxes,
                             const std::filesystem::path& folder) {
  CHECK_OK(check_interface(plan.bridge.interface));
  Commands commands(folder);
  TRY(way_in, commands.look_at_way_in(false));
  TRY(jumped,
      commands.look_at_jumps(allowlist_jumps(plan.installation), plan.bridge.interface, false));
  if (!way_in || !jumped) return false;
  TRY(host, commands.all_rules());
  std::vector<const ListedSandbox*> listed;
  listed.reserve(sandboxes.size());
  for (const ListedSandbox& sandbox : sandboxes) listed.push_back(&sandbox);
  if (!is_each_refused_the_rest(host, plan.installation, listed)) return false;
  TRY(shown, shown_allowlist(commands, host, plan.installation));
  return shown == before.shown;
}

Result<void> change_firewall(std::string_view lines, const std::filesystem::path& folder) {
  return Commands(folder).restore(lines);
}

Result<void> take_down_firewall(std::string_view installation,
                                const std::filesystem::path& folder) {
  if (!Commands::are_there()) return {};  // who has put up anything had them
  Commands commands(folder);
  TRY(host, commands.all_rules());
  TRY(nat, commands.all_rules(true));
  std::vector<std::string> chains, nat_chains;
  for (const auto& jumps : {firewall_jumps(installation), allowlist_jumps(installation)}) {
    for (const auto& [from, to, is_nat] : jumps) {
      (is_nat ? nat_chains : chains).push_back(to);
      for (const std::string& rule : rules_of(is_nat ? nat : host, from)) {
        if (!rule.ends_with("-j " + to)) continue;
        std::vector<std::string> words = Commands::in_table(is_nat);
        words.emplace_back("-D");
        const auto shown = split(rule, ' ');
        for (std::size_t i = 1; i < shown.size(); ++i) words.emplace_back(shown[i]);  // not "-A"
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
  const auto removed = [](const std::vector<std::string>& names) {
    std::string lines;
    for (const std::string& chain : names) lines += ":" + chain + " - [0:0]\n";
    return lines + removal_lines(names);
  };
  CHECK_OK(commands.restore(removed(chains)));
  return commands.restore_tables("*nat\n" + removed(nat_chains) + "COMMIT\n");
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
