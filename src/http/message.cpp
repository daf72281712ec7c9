#include "http/message.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.hpp"

namespace matrx::http {
namespace {

constexpr std::array<std::pair<Method, std::string_view>, 7> kMethods = {{
    {Method::get, "GET"},
    {Method::head, "HEAD"},
    {Method::post, "POST"},
    {Method::put, "PUT"},
    {Method::patch, "PATCH"},
    {Method::del, "DELETE"},
    {Method::options, "OPTIONS"},
}};

void append_value(std::string& out, std::string_view value) {
  for (char c : value) {
    if (c != '\r' && c != '\n' && c != '\0') out += c;
  }
}

void append_lines(std::string& out, const Headers& headers) {
  for (const auto& line : headers.lines()) {
    append_value(out, line.name);
    out += ": ";
    append_value(out, line.value);
    out += "\r\n";
  }
}

// Calls use(name, value), both decoded, for each parameter; broken escapes are skipped.
template <class F>
void for_each_parameter(std::string_view query, F use) {
  if (query.empty()) return;
  for (std::string_view pair : split(query, '&')) {
    const auto equals = pair.find('=');
    auto name = percent_decode(pair.substr(0, equals), true);
    auto value = equals == std::string_view::npos ? std::string()
                                                  : percent_decode(pair.substr(equals + 1), true);
    if (name && value) use(*name, std::move(*value));
  }
}

}  // namespace

std::string_view method_name(Method method) {
  for (const auto& [value, name] : kMethods) {
    if (value == method) return name;
  }
  return "OTHER";
}

Method parse_method(std::string_view name) {
  for (const auto& [value, text] : kMethods) {
    if (text == name) return value;
  }
  return Method::other;
}

void Headers::add(std::string name, std::string value) {
  lines_.push_back({std::move(name), std::move(value)});
}

void Headers::set(std::string_view name, std::string value) {
  std::erase_if(lines_, [&](const Line& line) { return equals_ignoring_case(line.name, name); });
  add(std::string(name), std::move(value));
}

std::string_view Headers::get(std::string_view name) const {
  for (const Line& line : lines_) {
    if (equals_ignoring_case(line.name, name)) return line.value;
  }
  return {};
}

bool Headers::has(std::string_view name) const {
  return std::ranges::any_of(
      lines_, [&](const Line& line) { return equals_ignoring_case(line.name, name); });
}

Task<Result<std::string>> BodyReader::read_all(std::size_t bytes_max) {
  std::string body;
  if (const auto announced = announced_bytes()) {
    if (*announced > bytes_max) co_return fail(Code::too_large, "The body is too large.");
    body.reserve(static_cast<std::size_t>(*announced));
  }
  for (;;) {
    CO_TRY(piece, co_await read_some());
    if (piece.empty()) co_return body;
    if (body.size() + piece.size() > bytes_max) {
      co_return fail(Code::too_large, "The body is too large.");
    }
    body += piece;
  }
}

std::optional<std::string> Request::query_value(std::string_view name) const {
  std::optional<std::string> found;
  for_each_parameter(query, [&](std::string_view key, std::string value) {
    if (key == name) found = std::move(value);
  });
  return found;
}

std::vector<std::string> Request::query_values(std::string_view name) const {
  std::vector<std::string> found;
  for_each_parameter(query, [&](std::string_view key, std::string value) {
    if (key == name) found.push_back(std::move(value));
  });
  return found;
}

std::string_view Request::method_text() const {
  return method == Method::other ? std::string_view(other_method) : method_name(method);
}

std::string request_header(std::string_view method, std::string_view target, std::string_view host,
                           const Headers& headers, std::optional<std::uint64_t> body_bytes) {
  std::string text;
  text.reserve(256);
  append_value(text, method);
  text += ' ';
  append_value(text, target);
  text += " HTTP/1.1\r\nHost: ";
  append_value(text, host);
  text += "\r\n";
  append_lines(text, headers);
  if (body_bytes) text += "Content-Length: " + std::to_string(*body_bytes) + "\r\n";
  text += "\r\n";
  return text;
}

std::string response_header(const Response& response, bool keep_alive, bool head_only) {
  std::string text;
  text.reserve(256);
  text += "HTTP/1.1 ";
  text += std::to_string(response.status);
  text += ' ';
  text += reason_phrase(response.status);
  text += "\r\n";
  append_lines(text, response.headers);
  const bool bodiless = response.status == 101 || response.status == 204 || response.status == 304;
  if (response.stream && response.stream_bytes && !bodiless) {
    text += "Content-Length: " + std::to_string(*response.stream_bytes) + "\r\n";
  } else if (response.stream && !bodiless) {
    text += "Transfer-Encoding: chunked\r\n";
  } else if (!bodiless && (!head_only || !response.headers.has("Content-Length"))) {
    text += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
  }
  if (!keep_alive) text += "Connection: close\r\n";
  text += "\r\n";
  return text;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 426:
      return "Upgrade Required";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 507:
      return "Insufficient Storage";
    default:
      return "Status";
  }
}

}  // namespace matrx::http
