#include "adapters/guest/guest_machine.hpp"

#include "adapters/guest/envelope_series.hpp"
#include "adapters/guest/read_rest.hpp"
#include "base/text.hpp"
#include "wire/machine_messages.hpp"

namespace matrx {
namespace {

using http::Method;

// Whoever the sandbox does not know is a mistake of the caller's, not a missing key. The protocol
// has one word for too many and for a full disk.
Error as_callers(Error error) {
  if (error.code == Code::unauthenticated) error.code = Code::invalid;
  const bool is_full = error.message.find("no space is left") != std::string::npos;
  if (error.code == Code::exhausted && is_full) error.code = Code::too_large;
  return error;
}

void name_user(http::Headers& headers, const std::string& user) {
  if (!user.empty()) headers.add("Authorization", "Basic " + base64_encode(user + ":"));
}

std::string path_message(const FilePlace& place) {
  return json::serialize(json::object{{"path", place.path}});
}

}  // namespace

std::optional<Error> read_end_of_stream(std::string_view text) {
  const auto parsed = json::parse(text);
  const json::object* message = parsed ? parsed->if_object() : nullptr;
  if (message == nullptr) {
    return Error{Code::internal, "The guest agent sent an answer that is not understood.", {}};
  }
  const json::object* error = json::object_at(*message, "error");
  if (error == nullptr) return std::nullopt;
  return as_callers(guest::read_error(json::serialize(*error)));
}

Task<Result<std::string>> GuestMachine::call(SandboxId id, std::string method, std::string user,
                                             std::string message, milliseconds deadline,
                                             std::size_t answer_bytes_max) {
  const auto client = agents_.client_of(id);
  http::ClientRequest request{.method = Method::post,
                              .target = "/" + std::move(method),
                              .headers = {},
                              .body = std::move(message),
                              .deadline = deadline,
                              .answer_bytes_max = answer_bytes_max};
  request.headers.add("Content-Type", "application/json");
  name_user(request.headers, user);
  CO_TRY(response, co_await client->send(std::move(request)));
  if (response.status != 200) {
    co_return std::unexpected(as_callers(guest::read_error(response.body)));
  }
  co_return std::move(response.body);
}

Task<Result<std::unique_ptr<http::ResponseStream>>> GuestMachine::stream(
    SandboxId id, std::string method, std::string user, std::string message,
    std::optional<milliseconds> timeout, milliseconds deadline) {
  const auto client = agents_.client_of(id);
  http::ClientRequest request{.method = Method::post,
                              .target = "/" + std::move(method),
                              .headers = {},
                              .body = encode_envelope(0, message),
                              .deadline = deadline};
  request.headers.add("Content-Type", "application/connect+json");
  request.headers.add("Keepalive-Ping-Interval", std::to_string(seconds(kMachinePing).count()));
  if (timeout) request.headers.add("Connect-Timeout-Ms", std::to_string(timeout->count()));
  name_user(request.headers, user);
  CO_TRY(answer, co_await client->open(std::move(request)));
  if (answer->status() == 200) co_return std::move(answer);
  CO_TRY(body, co_await within(clock_, kGuestCallDeadline, "The guest agent", read_rest(*answer)));
  co_return std::unexpected(as_callers(guest::read_error(body)));
}

// --- Processes -----------------------------------------------------------------------------------

Task<Result<std::unique_ptr<ProcessEvents>>> GuestMachine::start_process(SandboxId id,
                                                                         ProcessStart start) {
  CO_TRY(opened,
         co_await stream(id, "process.Process/Start", start.user, machine::write_start(start),
                         start.timeout, kMachineStartDeadline));
  co_return co_await begin_events(std::move(opened), kMachineStartDeadline);
}

Task<Result<std::unique_ptr<ProcessEvents>>> GuestMachine::follow_process(SandboxId id,
                                                                          ProcessKey key,
                                                                          Follow follow) {
  CO_TRY(opened,
         co_await stream(id, "process.Process/Connect", {},
                         machine::write_follow(key, follow.since, follow.may_skip), std::nullopt));
  co_return co_await begin_events(std::move(opened));
}

// The agent says in the stream itself that there will be none.
Task<Result<std::unique_ptr<ProcessEvents>>> GuestMachine::begin_events(
    std::unique_ptr<http::ResponseStream> opened, milliseconds deadline) {
  auto events = std::make_unique<EnvelopeSeries<ProcessEvent>>(clock_, std::move(opened),
                                                               machine::read_process_event);
  CO_CHECK(co_await events->wait_first(deadline));
  co_return std::move(events);
}

Task<Result<std::vector<ProcessInfo>>> GuestMachine::list_processes(SandboxId id) {
  CO_TRY(body, co_await call(id, "process.Process/List", {}, R"({"all":true})"));
  co_return machine::read_process_list(body);
}

Task<Result<void>> GuestMachine::send_input(SandboxId id, ProcessKey key, bool to_terminal,
                                            std::string bytes) {
  CO_CHECK(co_await call(id, "process.Process/SendInput", {},
                         machine::write_input(key, to_terminal, bytes), kMachineInputDeadline));
  co_return Result<void>();
}

Task<Result<void>> GuestMachine::close_input(SandboxId id, ProcessKey key) {
  CO_CHECK(co_await call(id, "process.Process/CloseStdin", {},
                         json::serialize(machine::write_selector(key))));
  co_return Result<void>();
}

Task<Result<void>> GuestMachine::signal_process(SandboxId id, ProcessKey key, std::string signal) {
  auto message = machine::write_signal(key, signal);
  if (!message) co_return fail(Code::invalid, "There is no signal of that name here.");
  CO_CHECK(co_await call(id, "process.Process/SendSignal", {}, *std::move(message)));
  co_return Result<void>();
}

Task<Result<void>> GuestMachine::resize_terminal(SandboxId id, ProcessKey key,
                                                 TerminalShape shape) {
  CO_CHECK(co_await call(id, "process.Process/Update", {}, machine::write_resize(key, shape)));
  co_return Result<void>();
}

// --- Files ---------------------------------------------------------------------------------------

Task<Result<FileEntry>> GuestMachine::stat_file(SandboxId id, FilePlace place) {
  CO_TRY(body, co_await call(id, "filesystem.Filesystem/Stat", place.user, path_message(place)));
  co_return machine::read_entry(body);
}

Task<Result<std::vector<FileEntry>>> GuestMachine::list_folder(SandboxId id, FilePlace place,
                                                               int depth) {
  const json::object message{{"path", place.path}, {"depth", depth}};
  CO_TRY(body, co_await call(id, "filesystem.Filesystem/ListDir", place.user,
                             json::serialize(message), kMachineFileDeadline, kGuestAnswerBytesMax));
  co_return machine::read_entries(body);
}

Task<Result<FileEntry>> GuestMachine::make_folder(SandboxId id, FilePlace place) {
  CO_TRY(body, co_await call(id, "filesystem.Filesystem/MakeDir", place.user, path_message(place)));
  co_return machine::read_entry(body);
}

Task<Result<FileEntry>> GuestMachine::move_file(SandboxId id, FilePlace from, std::string to) {
  const json::object message{{"source", from.path}, {"destination", to}};
  CO_TRY(body, co_await call(id, "filesystem.Filesystem/Move", from.user, json::serialize(message),
                             kMachineFileDeadline));
  co_return machine::read_entry(body);
}

Task<Result<void>> GuestMachine::remove_file(SandboxId id, FilePlace place) {
  CO_CHECK(co_await call(id, "filesystem.Filesystem/Remove", place.user, path_message(place),
                         kMachineFileDeadline));
  co_return Result<void>();
}

Task<Result<std::unique_ptr<FileChanges>>> GuestMachine::watch_folder(SandboxId id, FilePlace place,
                                                                      bool recursive) {
  const json::object message{
      {"path", place.path}, {"recursive", recursive}, {"includeEntry", true}};
  CO_TRY(opened, co_await stream(id, "filesystem.Filesystem/WatchDir", place.user,
                                 json::serialize(message), std::nullopt));
  co_return std::make_unique<EnvelopeSeries<FileChange>>(clock_, std::move(opened),
                                                         machine::read_file_change);
}

}  // namespace matrx
