// What every request passes, in this order:
//
//   handle               gives it an id (echoed in X-Request-Id), finds its route
//   with_access_log      outside of all that can fail, so that every request has its line
//   with_errors          a bug below becomes a 500 that says nothing of the inside
//   with_authentication  before the body is read: strangers cost nothing
//   with_body            reads the body up to the route's limit
//   dispatch             the handler; while the start waits for something, only those that are open

#include <boost/system/system_error.hpp>

#include <algorithm>

#include "api/api.hpp"
#include "api/errors.hpp"
#include "api/keys.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace matrx::api {
namespace {

constexpr std::size_t kRequestIdCharsMax = 64;

bool is_sane_request_id(std::string_view text) {
  return !text.empty() && text.size() <= kRequestIdCharsMax && is_valid_user_id(text);
}

// The key of a request: its own header, else a bearer token.
std::string_view key_of(const http::Request& request, const std::string& header) {
  const auto key = request.headers.get(header);
  return key.empty() ? bearer_token(request.headers.get("Authorization")) : key;
}

}  // namespace

Task<http::Response> Api::handle(http::Request& request) {
  Context context{.request = request};
  context.request_id = make_request_id(request);
  router_.find(context);
  http::Response response = co_await with_access_log(context);
  response.headers.add("X-Request-Id", context.request_id);
  co_return response;
}

std::string Api::make_request_id(const http::Request& request) {
  const auto given = request.headers.get("X-Request-Id");
  if (is_sane_request_id(given)) return std::string(given);
  return "req-" + random_.hex(8);
}

Task<http::Response> Api::with_access_log(Context& context) {
  const auto begun = std::chrono::steady_clock::now();
  const auto note = [&](std::string_view what, int status) {
    if (!log::enabled(log::Level::info)) return;
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begun;
    log::info(what, {{"method", context.request.method_text()},
                     {"path", without_secret(context.request.path)},
                     {"status", status},
                     {"duration_ms", took.count()},
                     {"request_id", context.request_id}});
  };
  http::Response response;
  try {
    response = co_await with_errors(context);
  } catch (...) {  // the server is going down: nobody gets an answer
    note("request cut off", 0);
    throw;
  }
  note("request", response.status);
  co_return response;
}

Task<http::Response> Api::with_errors(Context& context) {
  try {
    co_return co_await with_authentication(context);
  } catch (const boost::system::system_error& e) {
    if (e.code() == asio::error::operation_aborted) throw;  // the server is going down
    log::error("request failed by a bug",
               {{"request_id", context.request_id}, {"error", e.what()}});
  } catch (const std::exception& e) {
    log::error("request failed by a bug",
               {{"request_id", context.request_id}, {"error", e.what()}});
  }
  co_return error_response(500, Code::internal, "Something went wrong here; it has been logged.",
                           context.request_id);
}

Task<http::Response> Api::with_authentication(Context& context) {
  if (auto refusal = refuse(context)) co_return *std::move(refusal);
  co_return co_await with_body(context);
}

std::optional<http::Response> Api::refuse(Context& context) {
  if (auto refusal = refuse_spare(context)) return refusal;
  if (settings_.keys.empty()) {
    auto refusal = refuse_in_the_open(context);
    context.request.is_known = !refusal;
    return refusal;
  }
  return refuse_stranger(context);
}

// On one of the last connections: whether we live has an answer, nothing else has.
std::optional<http::Response> Api::refuse_spare(const Context& context) const {
  const bool is_health = context.route != nullptr && context.route->handler == &Api::health;
  if (!context.request.is_spare || is_health) return std::nullopt;
  return error_response(503, Code::unavailable, "Too many connections are open: try again later.",
                        context.request_id);
}

// Where no key is set everybody may come, but no page of somebody else's may send its reader's
// browser: neither from its own origin, nor by a name that it has made to lead here.
std::optional<http::Response> Api::refuse_in_the_open(const Context& context) const {
  const http::Request& request = context.request;
  const auto forbidden = [&context](std::string_view why) {
    return error_response(403, Code::forbidden, why, context.request_id);
  };
  if (!is_for_us(request, settings_.public_origins)) {
    return forbidden(
        "Without an API key only addresses and localhost are answered: set MATRX_API_KEY, or name "
        "this host in MATRX_PUBLIC_ORIGINS.");
  }
  if (context.route != nullptr && (context.route->open || context.route->any_method)) {
    return std::nullopt;
  }
  const bool is_harmless = !is_mutating(request) && !is_upgrade(request);
  if (is_harmless || is_of_our_origin(request).value_or(true)) return std::nullopt;
  return forbidden("A page of another origin may not do this.");
}

// A program comes with a key, a browser with the cookie of its session.
std::optional<http::Response> Api::refuse_stranger(Context& context) {
  http::Request& request = context.request;
  const bool is_open = context.route != nullptr && context.route->open;
  const auto forbidden = [&context](std::string_view why) {
    return error_response(403, Code::forbidden, why, context.request_id);
  };
  const auto key = key_of(request, settings_.key_header);
  context.by_key = is_one_of(key, settings_.keys);
  request.is_known = context.by_key;
  if (context.by_key) return std::nullopt;
  if (key.empty()) {
    const auto now = std::chrono::steady_clock::now();
    if (const auto* session = sessions_.find(session_token(request), now)) {
      request.is_known = true;
      if (is_open) return std::nullopt;  // it looks itself at what a session may
      if (const auto why = why_refused(*session, request)) return forbidden(*why);
      context.by_session = true;
      return std::nullopt;
    }
  }
  if (is_open) return std::nullopt;
  log::warning("access denied", {{"path", without_secret(request.path)},
                                 {"remote", request.remote},
                                 {"reason", key.empty() ? "no key" : "wrong key"},
                                 {"request_id", context.request_id}});
  if (!key.empty()) return forbidden("This API key is not known.");
  auto response = error_response(
      401, Code::unauthenticated,
      "An API key is needed: send it as " + settings_.key_header + " or as a bearer token.",
      context.request_id);
  response.headers.add("WWW-Authenticate", "Bearer");
  return response;
}

bool Api::is_https(const http::Request& request) const {
  return is_over_tls(request, settings_.public_origins);
}

std::string_view Api::session_token(const http::Request& request) const {
  return session_token_of(request, is_https(request));
}

Task<http::Response> Api::with_body(Context& context) {
  if (context.route != nullptr && context.route->body_bytes_max > 0) {
    auto body = co_await context.request.body_reader->read_all(context.route->body_bytes_max);
    if (!body) co_return error_response(body.error(), context.request_id);
    context.request.body = *std::move(body);
  }
  co_return co_await dispatch(context);
}

Task<http::Response> Api::dispatch(Context& context) {
  if (const auto& why = core_.opening(); why && context.route && !context.route->open) {
    co_return error_response(503, Code::unavailable, "The service cannot work yet: " + why->message,
                             context.request_id);
  }
  if (context.route != nullptr) co_return co_await (this->*context.route->handler)(context);
  if (!context.allowed_methods.empty()) {
    auto response = error_response(405, Code::invalid, "This path does not take that method.",
                                   context.request_id);
    response.headers.add("Allow", context.allowed_methods);
    co_return response;
  }
  co_return error_response(404, Code::not_found, "There is no such path; see /docs.",
                           context.request_id);
}

}  // namespace matrx::api
