#include "adapters/docker/egress_gate.hpp"

#include <algorithm>

#include "adapters/docker/firewall.hpp"
#include "adapters/docker/limits.hpp"
#include "async/offload.hpp"
#include "base/log.hpp"

namespace matrx::docker {

Task<Result<void>> EgressGate::open(AllowlistPlan plan, Sandboxes running) {
  const auto turn = co_await turn_.take();
  CO_TRY(sandboxes, co_await running());
  struct Outcome {
    Result<void> result;
    std::vector<ListedSandbox> sandboxes;
  };
  auto put_up = [plan, sandboxes = std::move(sandboxes), folder = folder_]() mutable {
    auto result = put_up_allowlist(plan, sandboxes, folder);
    return Outcome{std::move(result), std::move(sandboxes)};
  };
  Outcome outcome = co_await offload(worker_, std::move(put_up));
  if (!outcome.result) co_return outcome.result;
  plan_ = std::move(plan);
  by_address_.clear();
  for (ListedSandbox& sandbox : outcome.sandboxes) {
    by_address_.insert_or_assign(sandbox.address, std::move(sandbox));
  }
  changed_.notify();
  co_return Result<void>();
}

Task<Result<void>> EgressGate::let_out(ListedSandbox sandbox) {
  const auto turn = co_await turn_.take();
  if (!plan_) co_return fail(Code::internal, "The gate is not open.");
  const auto place = by_address_.find(sandbox.address);
  std::vector<std::string> left_over;
  if (place != by_address_.end() && place->second.id != sandbox.id) {
    left_over.push_back(sandbox_chain(place->second.id));
  }
  std::string lines = sandbox_lines(sandbox);
  by_address_.insert_or_assign(sandbox.address, std::move(sandbox));
  lines += switch_lines(plan_->installation, all()) + removal_lines(left_over);
  co_return co_await change(std::move(lines));
}

Task<void> EgressGate::forget(SandboxId id) {
  const auto turn = co_await turn_.take();
  const auto place =
      std::ranges::find_if(by_address_, [&id](const auto& entry) { return entry.second.id == id; });
  if (!plan_ || place == by_address_.end()) co_return;
  by_address_.erase(place);
  auto lines = switch_lines(plan_->installation, all()) + removal_lines({sandbox_chain(id)});
  const auto removed = co_await change(std::move(lines));
  if (!removed) {
    // Its address leads nowhere once its container is gone, and the next open() removes the chain.
    log::warning("rules of a sandbox left behind",
                 {{"sandbox_id", id.text()}, {"error", removed.error().message}});
  }
}

const ListedSandbox* EgressGate::find(std::string_view address) const {
  const auto place = by_address_.find(address);
  return place == by_address_.end() ? nullptr : &place->second;
}

Task<Result<void>> EgressGate::learn(SandboxId id, std::vector<std::string> addresses) {
  const auto turn = co_await turn_.take();
  const auto place =
      std::ranges::find_if(by_address_, [&id](const auto& entry) { return entry.second.id == id; });
  if (place == by_address_.end()) co_return fail(Code::not_found, "The sandbox is gone.");
  ListedSandbox wiser = place->second;
  std::erase_if(addresses, [&wiser](const std::string& address) {
    return std::ranges::find(wiser.learned, address) != wiser.learned.end();
  });
  if (addresses.empty()) co_return Result<void>();
  std::ranges::move(addresses, std::back_inserter(wiser.learned));
  if (wiser.learned.size() > kLearnedMax) {
    const auto too_many = static_cast<std::ptrdiff_t>(wiser.learned.size() - kLearnedMax);
    wiser.learned.erase(wiser.learned.begin(), wiser.learned.begin() + too_many);
  }
  CO_CHECK(co_await change(sandbox_lines(wiser)));
  const auto now = by_address_.find(wiser.address);  // nobody changes it but with our turn
  if (now != by_address_.end()) now->second = std::move(wiser);
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

std::vector<const ListedSandbox*> EgressGate::all() const {
  std::vector<const ListedSandbox*> sandboxes;
  sandboxes.reserve(by_address_.size());
  for (const auto& [address, sandbox] : by_address_) sandboxes.push_back(&sandbox);
  return sandboxes;
}

Task<Result<void>> EgressGate::change(std::string lines) {
  auto work = [lines = std::move(lines), folder = folder_] {
    return change_firewall(lines, folder);
  };
  co_return co_await offload(worker_, std::move(work));
}

}  // namespace matrx::docker
