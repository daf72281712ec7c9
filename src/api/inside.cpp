// Handlers of a sandbox as a machine: pause, ports, usage, logs.

#include <algorithm>

#include "api/api.hpp"
#include "api/decode.hpp"
#include "base/limits.hpp"

namespace matrx::api {

Task<http::Response> Api::pause_sandbox(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  const auto row = co_await core_.pause(*id, context.actor());
  if (!row) co_return error_response(row.error(), context.request_id);
  co_return json_response(200, sandbox_schema().encode(to_body(*row)));
}

Task<http::Response> Api::resume_sandbox(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  const auto row = co_await core_.resume(*id, context.actor());
  if (!row) co_return error_response(row.error(), context.request_id);
  co_return json_response(200, sandbox_schema().encode(to_body(*row)));
}

Task<http::Response> Api::list_ports(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  const auto ports =
      co_await core_.inside().call(*id, Entry::look, context.actor(), &Machine::list_ports);
  if (!ports) co_return error_response(ports.error(), context.request_id);
  PortListBody body;
  for (const ListeningPort& port : *ports) {
    PortBody one{.port = port.port,
                 .address = port.address,
                 .user = port.user,
                 .process = {},
                 .pid = port.pid};
    if (!port.process.empty()) one.process = port.process;
    body.ports.push_back(std::move(one));
  }
  co_return json_response(200, port_list_schema().encode(body));
}

// Of one that is paused or has ended: what is known, and nothing current.
Task<http::Response> Api::sandbox_metrics(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  QueryReader query(context);
  std::optional<TimePoint> since;
  if (const auto text = query.text("since")) {
    since = from_rfc3339(*text);
    if (!since) query.refuse("since", "Input should be a time as of RFC 3339", "datetime_parsing");
  }
  if (query.failed()) co_return query.response();
  const auto row = co_await core_.get(*id);
  if (!row) co_return error_response(row.error(), context.request_id);
  MetricsBody body{.sandbox_id = id->text(), .current = {}, .series = {}};
  const auto now = co_await core_.inside().call(*id, Entry::look, context.actor(), &Machine::usage);
  if (now) body.current = to_body(*now);
  const bool is_told = now || now.error().code == Code::conflict || now.error().code == Code::gone;
  if (!is_told) co_return error_response(now.error(), context.request_id);
  for (const MachineUsage& usage : core_.monitor().history(*id)) {
    if (!since || usage.at > *since) body.series.push_back(to_body(usage));
  }
  co_return json_response(200, metrics_schema().encode(body));
}

Task<http::Response> Api::sandbox_logs(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  QueryReader query(context);
  const int lines = query.integer("tail", kLogLinesDefault, 1, kLogLinesMax);
  if (query.failed()) co_return query.response();
  auto text = co_await core_.logs(*id, lines);
  if (!text) co_return error_response(text.error(), context.request_id);
  http::Response response;
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.body = *std::move(text);
  co_return response;
}

}  // namespace matrx::api
