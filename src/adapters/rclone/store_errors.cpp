#include "adapters/rclone/store_errors.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

namespace matrx::rclone {
namespace {

constexpr int kRefused = 400, kForbidden = 403, kNotFound = 404, kTooMany = 429, kServerError = 500,
              kBusy = 503, kFull = 507;

// What the store itself has answered: "status code: 503" of rclone 1.60, "StatusCode: 503" later.
// Nothing: it did not answer, or the text says nothing of it.
std::optional<int> answered(std::string_view words) {
  for (const std::string_view mark : {"status code: ", "StatusCode: "}) {
    // The last one: what comes before may be a name that somebody has chosen.
    const auto at = words.rfind(mark);
    if (at == std::string_view::npos) continue;
    const std::string_view digits = words.substr(at + mark.size(), 3);
    int status = 0;
    const auto [end, problem] = std::from_chars(digits.begin(), digits.end(), status);
    // A good status in front of an answer that broke off later is no cause.
    if (problem == std::errc() && end == digits.end() && status >= kRefused) return status;
  }
  return std::nullopt;
}

struct Cause {
  std::string_view sign;
  Code code;
  const char* message;
};

constexpr std::array kCauses = {
    Cause{"no space left on device", Code::exhausted, "The disk of this host is full."},
    Cause{"disk quota exceeded", Code::exhausted, "The disk of this host is full."},
    Cause{"connection refused", Code::unavailable, "The object store refuses connections."},
    Cause{"no such host", Code::unavailable, "The object store's name cannot be resolved."},
    Cause{"no route to host", Code::unavailable, "The object store cannot be reached."},
    Cause{"network is unreachable", Code::unavailable, "The object store cannot be reached."},
    Cause{"x509:", Code::unavailable, "The object store's certificate is not accepted."},
    Cause{"NoCredentialProviders", Code::unavailable, "There are no credentials for the store."},
    Cause{"timeout", Code::unavailable, "The object store does not answer in time."},
    Cause{"deadline exceeded", Code::unavailable, "The object store does not answer in time."},
    Cause{"connection reset", Code::unavailable, "The object store broke off the connection."},
    Cause{"broken pipe", Code::unavailable, "The object store broke off the connection."},
    Cause{"EOF", Code::unavailable, "The object store broke off the connection."},
};

std::string words_on(int status, std::string_view words) {
  const std::string number = std::to_string(status);
  if (words.contains("InvalidAccessKeyId") || words.contains("SignatureDoesNotMatch")) {
    return "The object store does not accept our credentials (it answers " + number + ").";
  }
  if (status == kForbidden) return "The object store denies access (it answers 403).";
  if (status == kBusy || status == kTooMany) {
    return "The object store is too busy (it answers " + number + ").";
  }
  if (status >= kServerError) {
    return "The object store has an error of its own (it answers " + number + ").";
  }
  return "The object store does not do what it is asked (it answers " + number + ").";
}

}  // namespace

Error store_error(int status, std::string words) {
  std::ranges::replace(words, '\n', ' ');
  if (const auto theirs = answered(words)) {
    if (*theirs == kNotFound && words.contains("NoSuchBucket")) {
      return {Code::not_found, "The bucket does not exist.", std::move(words)};
    }
    if (*theirs == kNotFound)
      return {Code::not_found, "There is no such object.", std::move(words)};
    if (*theirs == kFull || words.contains("QuotaExceeded")) {
      return {Code::exhausted, "The object store is full.", std::move(words)};
    }
    return {Code::unavailable, words_on(*theirs, words), std::move(words)};
  }
  // rclone's own errors end a text; in the middle of one they may be a part of somebody's name.
  const bool is_missing = status == kNotFound || words.ends_with("directory not found") ||
                          words.ends_with("object not found");
  if (is_missing) return {Code::not_found, "There is no such object.", std::move(words)};
  for (const Cause& cause : kCauses) {
    if (words.contains(cause.sign)) return {cause.code, cause.message, std::move(words)};
  }
  return {Code::unavailable, "The object store does not work.", std::move(words)};
}

}  // namespace matrx::rclone
