// The dashboard: its files, and signing in to it. What it does, it does over the API.

#include <algorithm>

#include "api/api.hpp"
#include "api/decode.hpp"
#include "api/keys.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace matrx::api {
namespace {

constexpr std::string_view kWidgetPath = "/dashboard/widget";

// xterm.js and the dialogs write style elements, so styles may be inline; scripts may not.
std::string page_policy(const std::vector<std::string>& framed_by) {
  std::string policy =
      "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
      "img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; base-uri 'none'; "
      "form-action 'none'; frame-ancestors";
  if (framed_by.empty()) return policy + " 'none'";
  for (const auto& origin : framed_by) policy += " " + origin;
  return policy;
}

const DashboardFile* find_file(std::span<const DashboardFile> files, std::string_view path) {
  const auto found = std::ranges::find(files, path, &DashboardFile::path);
  return found == files.end() ? nullptr : &*found;
}

http::Response file_response(const DashboardFile& file) {
  http::Response response;
  response.headers.add("Content-Type", std::string(file.content_type));
  response.headers.add("Content-Encoding", "gzip");  // every browser takes it
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.body = file.gzip;
  return response;
}

}  // namespace

// A file of that name, or the page for whatever it calls its places.
Task<http::Response> Api::dashboard(Context& context) {
  const std::string_view path = context.request.path;
  constexpr std::string_view kAssets = "/dashboard/assets/";
  if (path.starts_with(kAssets)) {
    const auto* file = find_file(settings_.dashboard, path.substr(kAssets.find("assets")));
    if (file == nullptr) {
      co_return error_response(404, Code::not_found, "There is no such file; reload the page.",
                               context.request_id);
    }
    auto response = file_response(*file);
    // Their names change with their content.
    response.headers.add("Cache-Control", "public, max-age=31536000, immutable");
    co_return response;
  }
  const auto* page = find_file(settings_.dashboard, "index.html");
  if (page == nullptr) {
    co_return error_response(404, Code::not_found,
                             "This build has no dashboard: Node.js was missing when it was made. "
                             "Run tools/setup.sh and build again.",
                             context.request_id);
  }
  auto response = file_response(*page);
  const bool is_widget = path == kWidgetPath && !settings_.widget_origins.empty();
  response.headers.add(
      "Content-Security-Policy",
      page_policy(is_widget ? settings_.widget_origins : std::vector<std::string>()));
  if (!is_widget) response.headers.add("X-Frame-Options", "DENY");
  response.headers.add("Cache-Control", "no-cache");
  response.headers.add("Referrer-Policy", "no-referrer");
  response.headers.add("Cross-Origin-Opener-Policy", "same-origin");
  co_return response;
}

http::Response Api::session_state(const Sessions::Session* session) const {
  const bool needed = !settings_.keys.empty();
  SessionBody body{.signed_in = !needed || session != nullptr,
                   .key_needed = needed,
                   .version = settings_.version,
                   .ttl_seconds_default = settings_.ttl_seconds_default,
                   .ttl_seconds_max = settings_.limits.ttl_seconds_max};
  if (session != nullptr) body.csrf = session->csrf;
  auto response = json_response(200, session_schema().encode(body));
  response.headers.add("Cache-Control", "no-store");
  return response;
}

Task<http::Response> Api::get_session(Context& context) {
  const auto now = std::chrono::steady_clock::now();
  co_return session_state(sessions_.find(session_token(context.request), now));
}

// The key in exchange for a cookie.
Task<http::Response> Api::open_session(Context& context) {
  auto request = decode_body(context, schemas_.session_request);
  if (!request) co_return request.error();
  if (!is_of_our_origin(context.request).value_or(true)) {
    co_return error_response(403, Code::forbidden, "Sign in from the dashboard's own page.",
                             context.request_id);
  }
  if (settings_.keys.empty()) co_return session_state(nullptr);
  if (!is_one_of(trim(request->key), settings_.keys)) {
    log::warning("sign-in refused",
                 {{"remote", context.request.remote}, {"request_id", context.request_id}});
    co_return error_response(403, Code::forbidden, "This API key is not known.",
                             context.request_id);
  }
  const auto now = std::chrono::steady_clock::now();
  links_.end_session(session_token(context.request));
  sessions_.close(session_token(context.request));  // a new sign-in, a new token
  const std::string token = sessions_.open(now);
  auto response = session_state(sessions_.find(token, now));
  response.headers.add("Set-Cookie", session_cookie(token, is_https(context.request)));
  co_return response;
}

Task<http::Response> Api::close_session(Context& context) {
  const auto token = session_token(context.request);
  if (const auto* session = sessions_.find(token, std::chrono::steady_clock::now())) {
    if (const auto why = why_refused(*session, context.request)) {
      co_return error_response(403, Code::forbidden, *why, context.request_id);
    }
    links_.end_session(token);
    sessions_.close(token);
  }
  http::Response response{.status = 204};
  response.headers.add("Set-Cookie", session_cookie("", is_https(context.request)));
  co_return response;
}

}  // namespace matrx::api
