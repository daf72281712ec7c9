#include "adapters/docker/egress_gate.hpp"

#include <algorithm>

#include "adapters/docker/limits.hpp"
#include "async/offload.hpp"
#include "base/ipv4.hpp"
#include "base/log.hpp"

namespace matrx::docker {

Task<Result<void>> EgressGate::open(AllowlistPlan plan, Sandboxes running) {
  const auto turn = co_await turn_.take();
  CO_TRY(sandboxes, co_await running());
  // Where somebody has taken the chains away, only we still know.
  for (ListedSandbox& sandbox : sandboxes) {
    const auto known = place_of(sandbox.id);
    if (known != by_address_.end()) sandbox.learned = known->second.learned;
  }
  struct Outcome {
    Result<KeptRules> result;
    std::vector<ListedSandbox> sandboxes;
  };
  auto put_up = [plan, sandboxes = std::move(sandboxes), folder = folder_]() mutable {
    auto result = put_up_allowlist(plan, sandboxes, folder);
    return Outcome{std::move(result), std::move(sandboxes)};
  };
  Outcome outcome = co_await offload(worker_, std::move(put_up));
  if (!outcome.result) co_return std::unexpected(outcome.result.error());
  kept_ = *std::move(outcome.result);
  if (gateway() != plan.bridge.gateway) name_server_problem_ = "it has not begun";
  plan_ = std::move(plan);
  by_address_.clear();
  for (ListedSandbox& sandbox : outcome.sandboxes) {
    by_address_.insert_or_assign(sandbox.address, std::move(sandbox));
  }
  changed_.notify();
  co_return Result<void>();
}

Task<Result<bool>> EgressGate::look_after(Sandboxes running) {
  AllowlistPlan plan;
  {
    const auto turn = co_await turn_.take();
    if (!plan_) co_return false;
    plan = *plan_;
    std::vector<ListedSandbox> sandboxes;
    for (const auto& [address, sandbox] : by_address_) sandboxes.push_back(sandbox);
    auto look = [plan, kept = kept_, sandboxes = std::move(sandboxes), folder = folder_] {
      return is_allowlist_up(plan, kept, sandboxes, folder);
    };
    CO_TRY(is_up, co_await offload(worker_, std::move(look)));
    if (is_up) co_return false;
  }
  CO_CHECK(co_await open(std::move(plan), std::move(running)));
  co_return true;
}

bool EgressGate::is_open_for(const Bridge& bridge) const {
  return plan_ && plan_->bridge.interface == bridge.interface &&
         plan_->bridge.gateway == bridge.gateway;
}

Task<Result<void>> EgressGate::let_out(ListedSandbox sandbox) {
  const auto turn = co_await turn_.take();
  ByAddress then = by_address_;
  const auto before = then.find(sandbox.address);
  if (before != then.end()) {
    // The same one once more: started again.
    if (before->second.id == sandbox.id) sandbox.learned = before->second.learned;
    if (before->second.id != sandbox.id) left_over_.insert(sandbox_chain(before->second.id));
  }
  left_over_.erase(sandbox_chain(sandbox.id));
  std::string lines = sandbox_lines(sandbox);
  then.insert_or_assign(sandbox.address, std::move(sandbox));
  CO_CHECK(co_await change(std::move(lines), then));
  by_address_ = std::move(then);
  co_return Result<void>();
}

Task<void> EgressGate::forget(SandboxId id) {
  const auto turn = co_await turn_.take();
  const auto place = place_of(id);
  if (place == by_address_.end()) co_return;
  by_address_.erase(place);
  left_over_.insert(sandbox_chain(id));
  const auto removed = co_await change("", by_address_);
  if (!removed) {
    log::warning("rules of a sandbox left behind for now",
                 {{"sandbox_id", id.text()},
                  {"error", removed.error().message},
                  {"internal", removed.error().internal}});
  }
}

const ListedSandbox* EgressGate::find(std::string_view address) const {
  const auto place = by_address_.find(address);
  return place == by_address_.end() ? nullptr : &place->second;
}

Task<Result<void>> EgressGate::learn(SandboxId id, std::vector<std::string> addresses) {
  const auto turn = co_await turn_.take();
  const auto place = place_of(id);
  if (place == by_address_.end()) co_return fail(Code::not_found, "The sandbox is gone.");
  std::erase_if(addresses, [](const std::string& address) {
    return std::ranges::any_of(private_ranges(), [&address](const std::string& range) {
      return range_contains(range, address);
    });
  });
  ByAddress then = by_address_;
  ListedSandbox& wiser = then.at(place->first);
  const std::size_t before = wiser.learned.size();
  for (std::string& address : addresses) {
    std::erase(wiser.learned, address);  // it becomes the newest
    wiser.learned.push_back(std::move(address));
  }
  const bool is_new = wiser.learned.size() > before;
  if (wiser.learned.size() > kLearnedMax) {
    const auto too_many = static_cast<std::ptrdiff_t>(wiser.learned.size() - kLearnedMax);
    wiser.learned.erase(wiser.learned.begin(), wiser.learned.begin() + too_many);
  }
  if (is_new) CO_CHECK(co_await change(sandbox_lines(wiser), then));
  by_address_ = std::move(then);
  co_return Result<void>();
}

void EgressGate::tell_name_server(std::string problem) {
  name_server_problem_ = std::move(problem);
  changed_.notify();
}

Task<Result<void>> EgressGate::wait_for_name_server() {
  const auto until = std::chrono::steady_clock::now() + kNameServerWait;
  while (!name_server_problem_.empty()) {
    const auto left = until - std::chrono::steady_clock::now();
    if (left.count() <= 0) {
      co_return fail(Code::unavailable,
                     "The name server for allowlists does not run: " + name_server_problem_ + ".");
    }
    co_await changed_.wait(std::chrono::ceil<milliseconds>(left));
  }
  co_return Result<void>();
}

EgressGate::ByAddress::const_iterator EgressGate::place_of(const SandboxId& id) const {
  return std::ranges::find_if(by_address_,
                              [&id](const auto& entry) { return entry.second.id == id; });
}

Task<Result<void>> EgressGate::change(std::string lines, const ByAddress& sandboxes) {
  if (!plan_) co_return fail(Code::internal, "The gate is not open.");
  std::vector<const ListedSandbox*> listed;
  listed.reserve(sandboxes.size());
  for (const auto& [address, sandbox] : sandboxes) listed.push_back(&sandbox);
  const std::vector<std::string> left_over(left_over_.begin(), left_over_.end());
  lines += switch_lines(plan_->installation, listed) + removal_lines(left_over);
  auto work = [lines = std::move(lines), folder = folder_] {
    return change_firewall(lines, folder);
  };
  auto changed = co_await offload(worker_, std::move(work));
  if (changed) left_over_.clear();
  co_return changed;
}

}  // namespace matrx::docker
