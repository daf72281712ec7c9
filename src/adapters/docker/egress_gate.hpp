#pragma once
// Lets sandboxes with an allowlist out, to what their lists name. One thread, but for iptables.

#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "adapters/docker/egress_rules.hpp"
#include "adapters/docker/firewall.hpp"
#include "async/notice.hpp"
#include "async/turns.hpp"

namespace matrx::docker {

class EgressGate {
 public:
  // folder: for what iptables reads and says.
  explicit EgressGate(std::filesystem::path folder) : folder_(std::move(folder)) {}
  ~EgressGate() { worker_.join(); }

  // Puts the rules up for this network, with those sandboxes let out that run now; who tells
  // which, is asked while nobody else is let out. Safe to repeat: what those have learned that are
  // let out already is kept. unavailable: iptables does not work here.
  using Sandboxes = std::function<Task<Result<std::vector<ListedSandbox>>>()>;
  Task<Result<void>> open(AllowlistPlan plan, Sandboxes running);

  // Whether they still stand; put up again where something is missing, and then true. Where they
  // have never been put up, there is nothing to look after.
  Task<Result<bool>> look_after(Sandboxes running);

  // The rules hang on an interface: a network that is made anew needs them anew.
  bool is_open_for(const Bridge& bridge) const;

  // Its packets pass from now on. One that had this address before is forgotten.
  Task<Result<void>> let_out(ListedSandbox sandbox);
  bool knows(const SandboxId& id) const { return place_of(id) != by_address_.end(); }
  Task<void> forget(SandboxId id);

  // Whose address that is; nothing: nobody's here. Valid until the next suspension.
  const ListedSandbox* find(std::string_view address) const;

  // These addresses are one of the names on its list. Returns when they can be reached; not so the
  // private ones, wherever a name leads.
  Task<Result<void>> learn(SandboxId id, std::vector<std::string> addresses);

  // Where the name server has to listen; empty: not known yet.
  std::string gateway() const { return plan_ ? plan_->bridge.gateway : ""; }
  // Why the name server does not listen there; empty: it does.
  void tell_name_server(std::string problem);
  // unavailable: it does not, for kNameServerWait.
  Task<Result<void>> wait_for_name_server();
  Notice& changed() { return changed_; }

 private:
  using ByAddress = std::map<std::string, ListedSandbox, std::less<>>;

  ByAddress::const_iterator place_of(const SandboxId& id) const;
  // The switch as the map has it, and the lines before it; removes what is left over.
  Task<Result<void>> change(std::string lines, const ByAddress& sandboxes);

  std::filesystem::path folder_;
  std::optional<AllowlistPlan> plan_;
  KeptRules kept_;
  ByAddress by_address_;             // what the kernel has
  std::set<std::string> left_over_;  // chains to remove, with the next change
  std::string name_server_problem_ = "it has not begun";
  Notice changed_;
  Slots turn_{1};  // each change begins where the last one has ended
  asio::thread_pool worker_{1};
};

}  // namespace matrx::docker
