#include "adapters/rclone/object_names.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace matrx::rclone {
namespace {

constexpr std::size_t kKeyBytesMax = 1024;  // S3's own limit
constexpr std::size_t kNameBytesMax = 255;  // NAME_MAX, of the staging folder
constexpr std::string_view kQuote = "\xE2\x80\x9B";
constexpr std::string_view kPictures = "\xE2\x90";  // U+2400 on: how rclone writes controls

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

bool is_plain(std::string_view part) {
  const bool ends_badly = part.ends_with(' ') || part.ends_with('.') || part.starts_with(' ');
  return utf8_length(part).has_value() && !ends_badly && !part.starts_with(kOddMark) &&
         !part.contains(kQuote) && !part.contains(kPictures) && !part.contains('\\') &&
         std::ranges::none_of(part, is_control);
}

std::string coded(std::string_view part) {
  std::string out(kOddMark);
  for (const char c : part) {
    const auto byte = static_cast<unsigned char>(c);
    const bool keep = byte > 0x20 && byte < 0x7F && c != '%' && c != '\\' && c != '.';
    out += keep ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return out;
}

}  // namespace

std::optional<std::string> key_of(std::string_view path, std::size_t prefix_bytes) {
  std::string key;
  for (const std::string_view part : split(path, '/')) {
    const std::string name = is_plain(part) ? std::string(part) : coded(part);
    if (name.size() > kNameBytesMax) return std::nullopt;
    key += name + '/';
  }
  key.pop_back();
  if (prefix_bytes + key.size() > kKeyBytesMax) return std::nullopt;
  return key;
}

std::optional<std::string> path_of(std::string_view key) {
  std::string path;
  for (const std::string_view part : split(key, '/')) {
    std::string name(part);
    if (part.starts_with(kOddMark)) {
      const auto decoded = percent_decode(part.substr(kOddMark.size()));
      if (!decoded || decoded->contains('/') || decoded->contains('\0')) return std::nullopt;
      name = *decoded;
    }
    path += name + '/';
  }
  path.pop_back();
  return path;
}

std::string as_pattern(std::string_view key) {
  std::string pattern;
  for (const char c : key) {
    if (std::string_view("*?[]{}\\").contains(c)) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

bool is_odd(std::string_view key) {
  return std::ranges::any_of(split(key, '/'),
                             [](std::string_view part) { return part.starts_with(kOddMark); });
}

}  // namespace matrx::rclone
