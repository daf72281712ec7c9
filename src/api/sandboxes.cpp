// Handlers of sandboxes: create, list, get, destroy, events.

#include <fmt/format.h>

#include "api/api.hpp"
#include "api/decode.hpp"
#include "api/idempotency.hpp"
#include "base/limits.hpp"

namespace matrx::api {
namespace {

CreateSpec to_spec(CreateSandboxRequest request) {
  CreateSpec spec;
  spec.user_id = std::move(request.user_id);
  if (request.config) spec.config_json = std::move(request.config->text);
  spec.ttl_seconds = request.ttl_seconds;
  if (request.template_id) spec.template_id = *std::move(request.template_id);
  if (request.name) spec.name = *std::move(request.name);
  if (request.labels) spec.labels = *std::move(request.labels);
  if (request.env) spec.env = *std::move(request.env);
  spec.idle_timeout_seconds = request.idle_timeout_seconds.value_or(0);
  if (request.egress == "none") spec.egress = Egress::none;
  if (request.egress == "allowlist") spec.egress = Egress::allowlist;
  if (request.egress_allow) {
    spec.egress_list = parse_egress_list(*request.egress_allow).value();  // the schema has tried it
  }
  if (request.resources) {
    spec.cpu = request.resources->cpu;
    if (const auto mb = request.resources->memory_mb) spec.memory_bytes = *mb * kBytesPerMb;
  }
  return spec;
}

// An allowlist and its mode belong together: who names one of them only has forgotten something,
// and would get more or less than was meant.
FieldErrors egress_problems(const CreateSandboxRequest& request) {
  const bool is_listed = request.egress == "allowlist";
  if (is_listed == request.egress_allow.has_value()) return {};
  if (is_listed)
    return {{{"body", "egress_allow"}, "Field required with egress allowlist", "missing"}};
  return {{{"body", "egress_allow"}, "Takes egress allowlist", "value_error"}};
}

// The engine refuses more processors than its host has, after everything else has been made.
FieldErrors size_problems(const CreateSandboxRequest& request, std::optional<double> cpus) {
  const auto wanted = request.resources ? request.resources->cpu : std::nullopt;
  if (!wanted || !cpus || *wanted <= *cpus) return {};
  return {{{"body", "resources", "cpu"},
           fmt::format("Input should be less than or equal to {}: the host has no more processors",
                       *cpus),
           "less_than_equal"}};
}

// Reads the listing's parameters; what is wrong with them stays in the reader.
ListQuery to_list_query(QueryReader& query) {
  ListQuery wanted;
  if (auto user = query.text("user_id")) {
    if (!is_valid_user_id(*user)) {
      query.refuse("user_id", "String should match pattern '^[a-zA-Z0-9._-]{1,255}$'",
                   "string_pattern_mismatch");
    }
    wanted.user_id = *std::move(user);
  }
  if (const auto status = query.text("status")) {
    wanted.status = parse_status(*status);
    if (!wanted.status) query.refuse("status", "Input should be a known status", "enum");
  }
  if (const auto label = query.text("label")) {
    const auto colon = label->find(':');
    if (colon == std::string::npos) {
      query.refuse("label", "Input should be name:value", "string_pattern_mismatch");
    } else {
      wanted.label.emplace(label->substr(0, colon), label->substr(colon + 1));
    }
  }
  wanted.limit = query.integer("limit", kListLimitDefault, 1, kListLimitMax);
  wanted.cursor = query.text("cursor").value_or("");
  return wanted;
}

}  // namespace

Task<http::Response> Api::create_sandbox(Context& context) {
  auto request = decode_body(context, schemas_.create_request);
  if (!request) co_return std::move(request).error();
  if (const auto problems = egress_problems(*request); !problems.empty()) {
    co_return validation_response(problems, context.request_id);
  }
  if (const auto problems = size_problems(*request, core_.cpus()); !problems.empty()) {
    co_return validation_response(problems, context.request_id);
  }
  CreateSpec spec = to_spec(*std::move(request));
  auto key = idempotency_key_of(context);
  if (!key) co_return error_response(key.error(), context.request_id);
  spec.idempotency_key = *std::move(key);
  // No limit of the caller's, which would be 429.
  if (const auto room = co_await core_.admit(spec.idempotency_key); !room) {
    co_return error_response(503, room.error().code, room.error().message, context.request_id);
  }
  const auto created = co_await core_.create(std::move(spec), context.actor());
  if (!created) co_return error_response(created.error(), context.request_id);
  http::Response response = json_response(201, sandbox_schema().encode(to_body(*created)));
  response.headers.add("Location", "/sandboxes/" + created->id.text());
  co_return response;
}

Task<http::Response> Api::list_sandboxes(Context& context) {
  QueryReader query(context);
  ListQuery wanted = to_list_query(query);
  if (query.failed()) co_return query.response();
  const auto page = co_await core_.list(std::move(wanted));
  if (!page) co_return error_response(page.error(), context.request_id);
  SandboxListBody body;
  for (const Sandbox& row : page->sandboxes) body.sandboxes.push_back(to_body(row));
  body.total = page->total;
  if (!page->next_cursor.empty()) body.next_cursor = page->next_cursor;
  co_return json_response(200, sandbox_list_schema().encode(body));
}

Task<http::Response> Api::get_sandbox(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  const auto row = co_await core_.get(*id);
  if (!row) co_return error_response(row.error(), context.request_id);
  co_return json_response(200, sandbox_schema().encode(to_body(*row)));
}

Task<http::Response> Api::extend_sandbox(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  const auto request = decode_body(context, schemas_.extend_request);
  if (!request) co_return request.error();
  const auto row = co_await core_.extend(*id, seconds(request->ttl_seconds), context.actor());
  if (!row) co_return error_response(row.error(), context.request_id);
  co_return json_response(200, sandbox_schema().encode(to_body(*row)));
}

Task<http::Response> Api::destroy_sandbox(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  QueryReader query(context);
  const bool graceful = query.flag("graceful", true);
  const auto reason = parse_stop_reason(query.text("reason").value_or("user_requested"));
  if (!reason) query.refuse("reason", "Input should be a known stop reason", "enum");
  if (!reason || query.failed()) co_return query.response();
  const auto gone = co_await core_.destroy(*id, graceful, *reason, context.actor());
  if (!gone) co_return error_response(gone.error(), context.request_id);
  co_return http::Response{.status = 204};
}

Task<http::Response> Api::sandbox_events(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  const auto events = co_await core_.events(*id);
  if (!events) co_return error_response(events.error(), context.request_id);
  EventListBody body;
  for (const SandboxEvent& event : *events) body.events.push_back(to_body(event));
  co_return json_response(200, event_list_schema().encode(body));
}

}  // namespace matrx::api
