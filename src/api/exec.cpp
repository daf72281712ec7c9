// Handlers of what happens inside: exec, and the agent's signals.

#include "api/api.hpp"
#include "api/decode.hpp"
#include "base/limits.hpp"

namespace matrx::api {
namespace {

ExecSpec to_spec(ExecRequest request) {
  ExecSpec spec;
  spec.command = std::move(request.command);
  spec.user = std::move(request.user);
  spec.cwd = std::move(request.cwd);
  if (request.env) spec.env = *std::move(request.env);
  spec.stdin_data = std::move(request.stdin_text);
  spec.timeout = seconds(request.timeout_seconds.value_or(request.timeout));
  spec.output_bytes_max = kExecOutputBytesMax;
  return spec;
}

ExecBody exec_body(ExecOutcome outcome) {
  return {.exit_code = outcome.exit_code,
          .stdout_text = std::move(outcome.stdout_text),
          .stderr_text = std::move(outcome.stderr_text),
          .cwd = std::move(outcome.cwd),
          .duration_ms = outcome.duration.count(),
          .timed_out = outcome.timed_out,
          .stdout_truncated = outcome.stdout_truncated,
          .stderr_truncated = outcome.stderr_truncated,
          .out_of_memory = outcome.out_of_memory};
}

}  // namespace

Task<http::Response> Api::exec(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  auto request = decode_body(context, schemas_.exec_request);
  if (!request) co_return std::move(request).error();
  ExecSpec spec = to_spec(*std::move(request));
  auto outcome = co_await core_.exec(*id, std::move(spec), context.actor());
  if (!outcome) co_return error_response(outcome.error(), context.request_id);
  co_return json_response(200, exec_schema().encode(exec_body(*std::move(outcome))));
}

Task<http::Response> Api::heartbeat(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  const auto noted = co_await core_.signals().heartbeat(*id);
  if (!noted) co_return error_response(noted.error(), context.request_id);
  co_return json_response(200, heartbeat_schema().encode({.sandbox_id = id->text()}));
}

Task<http::Response> Api::complete(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  auto request = decode_body(context, schemas_.complete_request, true);
  if (!request) co_return std::move(request).error();
  std::string result = request->result.value_or(RawJson()).text;
  const auto begun = co_await core_.signals().complete(*id, std::move(result), context.actor());
  if (!begun) co_return error_response(begun.error(), context.request_id);
  co_return json_response(200, shutdown_schema().encode({.sandbox_id = id->text()}));
}

Task<http::Response> Api::report_error(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  auto request = decode_body(context, schemas_.error_request);
  if (!request) co_return std::move(request).error();
  std::string details = request->details.value_or(RawJson()).text;
  const auto begun = co_await core_.signals().error(*id, std::move(request->error),
                                                    std::move(details), context.actor());
  if (!begun) co_return error_response(begun.error(), context.request_id);
  co_return json_response(
      200, shutdown_schema().encode({.sandbox_id = id->text(), .error_received = true}));
}

}  // namespace matrx::api
