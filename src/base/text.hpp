#pragma once
// Small helpers on text and bytes.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace matrx {

// Number of Unicode code points, or nothing where the bytes are not valid UTF-8 (RFC 3629).
std::optional<std::size_t> utf8_length(std::string_view text);

// The same text with every invalid byte sequence replaced by U+FFFD. Valid text is unchanged.
std::string to_valid_utf8(std::string text);

// Standard alphabet with padding (RFC 4648 §4).
std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);

// Everything but letters, digits, '-', '_', '.' and those of also_plain as %XX.
std::string percent_encode(std::string_view text, std::string_view also_plain = {});
// "%2F" → "/". Nothing where an escape is broken. '+' stays '+' unless plus_is_space.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

bool equals_ignoring_case(std::string_view a, std::string_view b);
std::string to_lower(std::string_view text);
std::string_view trim(std::string_view text);
std::vector<std::string_view> split(std::string_view text, char separator);

// Lower-case hexadecimal digits, two for each byte.
std::string hex_encode(std::span<const unsigned char> bytes);

// Letters, digits, dots, hyphens, and colons as in IPv6: safe in a shell's command.
bool is_host_name(std::string_view text);

// "512m" → 536870912; suffixes b, k, m, g, t (powers of 1024), none = bytes.
std::optional<std::int64_t> parse_bytes(std::string_view text);

// True where both are equal; takes the same time wherever they differ.
bool equals_in_constant_time(std::string_view a, std::string_view b);

}  // namespace matrx
