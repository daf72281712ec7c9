#include "adapters/guest/guest_client.hpp"

#include <algorithm>

#include "adapters/guest/allowance.hpp"
#include "adapters/guest/guest_socket.hpp"
#include "base/limits.hpp"
#include "wire/connect_envelope.hpp"
#include "wire/guest_messages.hpp"

namespace matrx {
namespace {

using http::Method;

constexpr milliseconds kPollMin{1};  // while a container starts
constexpr milliseconds kPollMax{20};
constexpr std::size_t kSignalBytesMax = 256 * 1024;  // 64 KiB of JSON, escaped as text
constexpr std::string_view kStillThere = "{}";       // between two signals

http::ClientRequest post(std::string target, std::string body, milliseconds deadline) {
  http::ClientRequest request{.method = Method::post,
                              .target = std::move(target),
                              .headers = {},
                              .body = std::move(body),
                              .deadline = deadline};
  request.headers.add("Content-Type", "application/json");
  return request;
}

std::optional<SignalKind> parse_kind(std::string_view word) {
  if (word == "heartbeat") return SignalKind::heartbeat;
  if (word == "complete") return SignalKind::complete;
  if (word == "error") return SignalKind::error;
  return std::nullopt;
}

}  // namespace

std::shared_ptr<http::Client> GuestClient::client_of(const SandboxId& id) {
  auto& client = clients_[id];
  if (!client) {
    http::ClientOptions options{.name = "The guest agent",
                                .host = "agent",
                                .connections_max = kGuestConnectionsMax,
                                .idle_max = kGuestIdleConnectionsMax,
                                .answer_bytes_max = kGuestAnswerBytesMax};
    client = std::make_shared<http::Client>(guest_connector(sandboxes_dir_ / id.text() / "run"),
                                            std::move(options));
  }
  return client;
}

void GuestClient::forget(const SandboxId& id) { clients_.erase(id); }

Task<Result<void>> GuestClient::wait_ready(const SandboxId& id, milliseconds limit) {
  const auto client = client_of(id);
  const auto until = std::chrono::steady_clock::now() + limit;
  for (milliseconds pause = kPollMin;; pause = std::min(pause + pause / 3 + kPollMin, kPollMax)) {
    http::ClientRequest request{.method = Method::get, .target = "/health"};
    // Also who asks only once, with no time to wait, is told of an agent that lives.
    request.deadline = std::clamp<milliseconds>(limit, kGuestLookDeadline, kGuestCallDeadline);
    const auto response = co_await client->send(std::move(request));
    if (response && response->status == 204) co_return Result<void>();
    if (std::chrono::steady_clock::now() >= until) {
      co_return fail(Code::timeout, "The guest agent did not answer in time.",
                     response ? std::to_string(response->status) : response.error().internal);
    }
    co_await clock_.sleep(pause);
  }
}

Task<Result<ExecOutcome>> GuestClient::exec(const SandboxId& id, const ExecSpec& spec) {
  const auto client = client_of(id);
  CO_TRY(response, co_await client->send(post("/matrx/exec", guest::write_exec_request(spec),
                                              spec.timeout + milliseconds(kExecAnswerMargin))));
  if (response.status != 200) co_return std::unexpected(guest::read_error(response.body));
  co_return guest::read_exec_answer(response.body);
}

Task<Result<void>> GuestClient::shutdown(const SandboxId& id, milliseconds grace) {
  const auto client = client_of(id);
  CO_TRY(response,
         co_await client->send(post("/matrx/shutdown", guest::write_shutdown_request(grace),
                                    grace + milliseconds(kGuestShutdownMargin))));
  if (response.status != 200) co_return std::unexpected(guest::read_error(response.body));
  co_return Result<void>();
}

Task<Result<void>> GuestClient::serve_signals(const SandboxId& id, SignalHandler handler) {
  const auto client = client_of(id);
  CO_TRY(stream, co_await client->open(post("/matrx/signals", "{}", kGuestCallDeadline)));
  if (stream->status() != 200) {
    co_return fail(Code::unavailable, "The guest agent sends no signals.",
                   std::to_string(stream->status()));
  }
  EnvelopeDecoder decoder(kSignalBytesMax);
  Allowance allowance(kSignalBytesPerSecond, kSignalBytesReserve, clock_.uptime());
  for (;;) {
    CO_TRY(piece, co_await stream->read_some());
    if (piece.empty()) co_return fail(Code::unavailable, "The guest agent has closed its signals.");
    decoder.append(piece);
    for (;;) {
      CO_TRY(message, decoder.next());
      if (!message) break;
      // What is not taken yet stays in the sandbox: its socket is full.
      const auto cost = std::max(static_cast<std::int64_t>(message->text.size()), kSignalCostMin);
      if (const auto pause = allowance.take(cost, clock_.uptime()); pause.count() > 0) {
        co_await clock_.sleep(pause);
      }
      if (message->text == kStillThere) continue;
      const auto signal = guest::read_signal(message->text);
      const auto kind = signal ? parse_kind(signal->kind) : std::nullopt;
      if (!kind) co_return fail(Code::invalid, "The guest agent sends what is no signal.");
      AgentSignal heard{.kind = *kind, .text = signal->text, .payload_json = signal->payload};
      auto result = co_await handler(std::move(heard));
      CO_CHECK(co_await reply(*client, signal->id, std::move(result)));
    }
  }
}

Task<Result<void>> GuestClient::reply(http::Client& client, std::int64_t signal_id,
                                      Result<void> result) {
  CO_CHECK(co_await client.send(post(
      "/matrx/signals/reply", guest::write_signal_reply(signal_id, result), kGuestCallDeadline)));
  co_return Result<void>();
}

}  // namespace matrx
