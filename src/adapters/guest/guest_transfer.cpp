// What moves bytes in and out of a sandbox: files, archives, connections to ports.

#include "adapters/guest/guest_machine.hpp"
#include "adapters/guest/read_rest.hpp"
#include "base/text.hpp"
#include "wire/machine_messages.hpp"

namespace matrx {
namespace {

using http::Method;

std::string with_place(std::string route, const FilePlace& place) {
  route += "?path=" + percent_encode(place.path, "/");
  if (!place.user.empty()) route += "&username=" + percent_encode(place.user);
  return route;
}

// An answer whose body is read by somebody who waits no longer than this for each piece.
class Content : public ByteSource {
 public:
  Content(Clock& clock, std::unique_ptr<http::ResponseStream> answer)
      : clock_(clock), answer_(std::move(answer)) {}
  Task<Result<std::string>> read_some() override {
    co_return co_await within(clock_, kMachineSilenceMax, "The guest agent", answer_->read_some());
  }

 private:
  Clock& clock_;
  std::unique_ptr<http::ResponseStream> answer_;
};

}  // namespace

Task<Result<std::string>> GuestMachine::get(SandboxId id, std::string target) {
  const auto client = agents_.client_of(id);
  http::ClientRequest request{.method = Method::get,
                              .target = std::move(target),
                              .headers = {},
                              .body = {},
                              .deadline = kGuestCallDeadline,
                              .answer_bytes_max = kMachineAnswerBytesMax,
                              .idempotent = true};
  CO_TRY(response, co_await client->send(std::move(request)));
  if (response.status != 200) {
    co_return std::unexpected(machine::read_plain_error(response.status, response.body));
  }
  co_return std::move(response.body);
}

Task<Result<FileDownload>> GuestMachine::download(SandboxId id, std::string target,
                                                  std::string range) {
  const auto client = agents_.client_of(id);
  http::ClientRequest request{.method = Method::get,
                              .target = std::move(target),
                              .headers = {},
                              .body = {},
                              .deadline = kMachineFileDeadline};
  if (!range.empty()) request.headers.add("Range", range);
  CO_TRY(answer, co_await client->open(std::move(request)));
  const int status = answer->status();
  if (status == 416) {
    co_return FileDownload{
        .content = {}, .bytes = {}, .range = std::string(answer->headers().get("Content-Range"))};
  }
  if (status != 200 && status != 206) {
    CO_TRY(body,
           co_await within(clock_, kGuestCallDeadline, "The guest agent", read_rest(*answer)));
    co_return std::unexpected(machine::read_plain_error(status, body));
  }
  FileDownload download{.content = {},
                        .bytes = answer->announced_bytes(),
                        .range = std::string(answer->headers().get("Content-Range"))};
  download.content = std::make_unique<Content>(clock_, std::move(answer));
  co_return download;
}

Task<Result<std::string>> GuestMachine::upload(SandboxId id, http::ClientRequest request) {
  const auto client = agents_.client_of(id);
  request.deadline = kMachineFileDeadline;
  CO_TRY(answer, co_await client->open(std::move(request)));
  CO_TRY(body, co_await within(clock_, kGuestCallDeadline, "The guest agent", read_rest(*answer)));
  if (answer->status() != 200) {
    co_return std::unexpected(machine::read_plain_error(answer->status(), body));
  }
  co_return std::move(body);
}

Task<Result<FileDownload>> GuestMachine::read_file(SandboxId id, FilePlace place,
                                                   std::string range) {
  co_return co_await download(id, with_place("/files", place), std::move(range));
}

Task<Result<void>> GuestMachine::write_file(SandboxId id, FilePlace place, ByteSource& content) {
  http::ClientRequest request{.method = Method::post, .target = with_place("/files", place)};
  request.headers.add("Content-Type", "application/octet-stream");
  request.body_source = &content;
  CO_CHECK(co_await upload(id, std::move(request)));
  co_return Result<void>();
}

Task<Result<FileDownload>> GuestMachine::pack_folder(SandboxId id, FilePlace place,
                                                     bool skip_unreadable) {
  std::string target = with_place("/matrx/archive", place);
  if (skip_unreadable) target += "&skip_unreadable=true";
  co_return co_await download(id, std::move(target), {});
}

Task<Result<Unpacked>> GuestMachine::unpack(SandboxId id, FilePlace place, bool gzip,
                                            bool outside_links, ByteSource& content) {
  http::ClientRequest request{.method = Method::put, .target = with_place("/matrx/archive", place)};
  if (outside_links) request.target += "&outside_links=true";
  if (gzip) request.headers.add("Content-Encoding", "gzip");
  request.headers.add("Content-Type", "application/x-tar");
  request.body_source = &content;
  CO_TRY(body, co_await upload(id, std::move(request)));
  CO_TRY(told, machine::read_unpacked(body));
  co_return Unpacked{.entries = told.first, .bytes = told.second};
}

Task<Result<std::vector<ListeningPort>>> GuestMachine::list_ports(SandboxId id) {
  CO_TRY(body, co_await get(id, "/matrx/ports"));
  co_return machine::read_ports(body);
}

Task<Result<MachineUsage>> GuestMachine::usage(SandboxId id) {
  CO_TRY(body, co_await get(id, "/metrics"));
  CO_TRY(usage, machine::read_usage(body));
  usage.at = clock_.now();
  co_return usage;
}

Task<Result<std::unique_ptr<ByteStream>>> GuestMachine::dial(SandboxId id, int port) {
  const auto client = agents_.client_of(id);
  http::ClientRequest request{.method = Method::get,
                              .target = "/matrx/tunnel?port=" + std::to_string(port),
                              .headers = {},
                              .body = {},
                              .deadline = kGuestCallDeadline};
  request.headers.add("Connection", "Upgrade");
  request.headers.add("Upgrade", "matrx-tunnel");
  CO_TRY(answer, co_await client->open(std::move(request)));
  if (answer->status() == 101) co_return answer->take_connection();
  if (answer->status() == 502) {
    co_return fail(Code::not_found, "Nothing listens on this port of the sandbox.");
  }
  CO_TRY(body, co_await within(clock_, kGuestCallDeadline, "The guest agent", read_rest(*answer)));
  co_return std::unexpected(machine::read_plain_error(answer->status(), body));
}

}  // namespace matrx
