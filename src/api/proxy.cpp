// The way from outside to a port inside: HTTP and WebSocket, piece by piece both ways.

#include "api/proxy.hpp"

#include <charconv>

#include "api/api.hpp"
#include "api/decode.hpp"
#include "api/session.hpp"
#include "api/sse.hpp"
#include "async/race.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "http/client.hpp"

namespace matrx::api {
namespace {

constexpr std::size_t kPumpBytes = 32 * 1024;

std::optional<int> port_of(std::string_view text) {
  int port = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool is_port =
      ec == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
  return is_port ? std::optional(port) : std::nullopt;
}

// As E2B's proxy says it (client-contracts.md §1.5), with our own words beside.
http::Response bad_gateway(const SandboxId& id, int port, std::string_view message,
                           const std::string& request_id) {
  return json_response(502, json::object{{"sandboxId", id.text()},
                                         {"message", message},
                                         {"port", port},
                                         {"code", 502},
                                         {"detail", message},
                                         {"request_id", request_id}});
}

// "/sandboxes/sbx-…/proxy/8080/a/b?c" without its first four segments: "/a/b?c"
std::string inner_target(const http::Request& request, int segments) {
  std::string_view path = request.path;
  for (int segment = 0; segment < segments && !path.empty(); ++segment) {
    const auto slash = path.find('/', 1);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash);
  }
  std::string target = path.empty() ? "/" : std::string(path);
  if (!request.query.empty()) target += "?" + request.query;
  return target;
}

// The one connection of a client that makes one request.
Task<Result<std::unique_ptr<http::Stream>>> hand_over(
    std::shared_ptr<std::unique_ptr<ByteStream>> connection) {
  co_return std::move(*connection);
}

Task<void> pump(ByteStream& from, ByteStream& to, std::function<void()> moved) {
  std::vector<char> buffer(kPumpBytes);
  for (;;) {
    const auto count = co_await from.read_some(buffer);
    if (!count || *count == 0) break;
    moved();
    if (!co_await to.write(std::string_view(buffer.data(), *count))) break;
  }
  // Whoever is gone: the other one shall know. A WebSocket has its own good-bye before that.
  from.close();
  to.close();
}

Task<void> relay(ByteStream& client, std::shared_ptr<ByteStream> program,
                 std::function<void()> moved) {
  co_await both(pump(client, *program, moved), pump(*program, client, moved));
}

struct Answer {
  std::shared_ptr<http::ResponseStream> content;
  Activity::Hold hold;
  std::shared_ptr<bool> complete = std::make_shared<bool>(false);
};

Task<void> write_answer(const Answer& answer, http::BodyWriter& writer) {
  SystemClock clock;
  for (;;) {
    const auto piece = co_await within(clock, kProxyIdle, "The program in the sandbox",
                                       answer.content->read_some());
    if (!piece) co_return;
    *answer.complete = piece->empty();
    if (piece->empty() || !co_await writer.write(*piece)) co_return;
  }
}

// Events may be long in coming: a reader that has gone is noticed before the next one.
Task<void> send_answer(std::shared_ptr<Answer> answer, http::BodyWriter& writer) {
  const auto type = answer->content->headers().get("Content-Type");
  if (type.starts_with("text/event-stream")) {
    co_await while_wanted(writer, write_answer(*answer, writer));
  } else {
    co_await write_answer(*answer, writer);
  }
}

}  // namespace

Task<http::Response> Api::proxy(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  const auto port = port_of(context.params.at(1));
  if (!port) {
    co_return error_response(404, Code::not_found, "There is no such port.", context.request_id);
  }
  ProgramPlace place{.cookie_prefix = cookie_prefix(*id, *port),
                     .path = "/sandboxes/" + id->text() + "/proxy/" + std::to_string(*port)};
  Inner inner{*id, *port, inner_target(context.request, 4), std::move(place)};
  co_return co_await ask_program(context, std::move(inner));
}

Task<http::Response> Api::make_link(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  const auto request = decode_body(context, machine_schemas_.link);
  if (!request) co_return request.error();
  // Whether it may be used; who listens may still come.
  const auto ports =
      co_await core_.inside().call(*id, Entry::look, context.actor(), &Machine::list_ports);
  if (!ports) co_return error_response(ports.error(), context.request_id);
  PortLink link{.sandbox = *id, .port = request->port, .session = {}};
  if (context.by_session) link.session = session_token(context.request);
  const auto ends = std::chrono::steady_clock::now() + seconds(request->ttl_seconds);
  LinkBody body{.path = link_path(links_.make(std::move(link), ends)) + "/",
                .port = request->port,
                .ttl_seconds = request->ttl_seconds};
  auto response = json_response(201, link_schema().encode(body));
  response.headers.add("Cache-Control", "no-store");
  co_return response;
}

Task<http::Response> Api::follow_link(Context& context) {
  const std::string& secret = context.params.at(0);
  const auto link = links_.find(secret, std::chrono::steady_clock::now());
  if (!link) {
    co_return error_response(404, Code::not_found,
                             "This link is not known, or has run out: make another one.",
                             context.request_id);
  }
  context.request.is_known = true;
  if (auto answer = answer_preflight(context.request)) co_return *std::move(answer);
  const std::string prefix = link_path(secret);
  const std::string origin(context.request.headers.get("Origin"));
  add_link_inwards(context.request.headers, link->port, prefix);
  ProgramPlace place{.cookie_prefix = cookie_prefix(link->sandbox, link->port), .path = prefix};
  Inner inner{link->sandbox, link->port, inner_target(context.request, 2), std::move(place)};
  context.by_key = false;  // whatever else came with it: this is what browsers follow
  auto response = co_await ask_program(context, std::move(inner));
  add_link_outwards(response.headers, origin, link->port, prefix);
  co_return response;
}

// One request to the program that listens, and its answer.
Task<http::Response> Api::ask_program(Context& context, Inner asked) {
  const http::Request& request = context.request;
  const SandboxId id = asked.sandbox;
  const int port = asked.port;
  if (is_for_a_page_of_ours(request)) {
    co_return error_response(403, Code::forbidden,
                             "What a program in a sandbox sends is no part of this page.",
                             context.request_id);
  }
  auto dialed =
      co_await core_.inside().call(id, Entry::work, context.actor(), &Machine::dial, port);
  if (!dialed && dialed.error().code == Code::not_found) {
    const auto row = co_await core_.get(id);  // the sandbox is not found, or who listens in it
    if (!row) co_return error_response(row.error(), context.request_id);
    co_return bad_gateway(id, port, dialed.error().message, context.request_id);
  }
  if (!dialed) co_return error_response(dialed.error(), context.request_id);
  const auto hold = core_.inside().activity().hold(id);  // also while the program thinks

  const bool upgrades = is_upgrade(request);
  const Passage passage{.key_header = settings_.key_header,
                        .keys = settings_.keys,
                        .with_key = context.by_key,
                        .is_upgrade = upgrades,
                        .place = std::move(asked.place)};
  http::ClientRequest inner{.method = request.method,
                            .other_method = request.other_method,
                            .target = std::move(asked.target),
                            .headers = headers_inwards(request, passage),
                            .body = {},
                            .deadline = settings_.proxy_timeout};
  const auto bytes = request.body_reader->announced_bytes();
  const bool is_chunked = !request.headers.get("Transfer-Encoding").empty();
  if (is_chunked || bytes.value_or(0) > 0) {
    inner.body_source = request.body_reader;
    inner.body_source_bytes = is_chunked ? std::nullopt : bytes;
  }
  auto connection = std::make_shared<std::unique_ptr<ByteStream>>(*std::move(dialed));
  http::Client client(
      [connection] { return hand_over(connection); },
      {.name = "The program in the sandbox", .host = "localhost:" + std::to_string(port)});
  auto answer = co_await client.open(std::move(inner));
  if (!answer) {
    const Error error = co_await core_.inside().explain(id, answer.error(), context.actor());
    if (error.code == Code::unavailable) {
      co_return bad_gateway(id, port, "The program on this port sent no answer.",
                            context.request_id);
    }
    co_return error_response(error, context.request_id);
  }
  if ((*answer)->status() == 101 && !upgrades) {
    co_return bad_gateway(id, port, "The program on this port speaks no HTTP.", context.request_id);
  }
  co_return answer_of_program(id, passage, *std::move(answer));
}

http::Response Api::answer_of_program(const SandboxId& id, Passage passage,
                                      std::shared_ptr<http::ResponseStream> answer) {
  Activity& activity = core_.inside().activity();
  http::Response response{.status = answer->status()};
  const bool is_upgrade = response.status == 101;
  passage.is_upgrade = is_upgrade;
  const std::string& path = passage.place.path;
  response.headers = headers_outwards(
      answer->headers(), passage,
      [this, &path](const std::string& name) { return program_cookies_.may_set(path, name); });
  if (is_upgrade) {
    const std::shared_ptr<ByteStream> program = answer->take_connection();
    response.upgrade = [program, id, &activity](ByteStream& client) {
      return relay(client, program, [&activity, id] { activity.touch(id); });
    };
    return response;
  }
  if (response.status == 204 || response.status == 304) return response;
  response.stream_bytes = answer->announced_bytes();
  const auto sent = std::make_shared<Answer>(answer, activity.hold(id));
  response.stream_complete = sent->complete;
  response.stream = [sent](http::BodyWriter& writer) { return send_answer(sent, writer); };
  return response;
}

}  // namespace matrx::api
