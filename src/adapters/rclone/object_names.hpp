#pragma once
// Paths of a home ⇄ keys of objects. Most are the same. Names that rclone 1.60 or an S3 listing
// cannot carry unharmed (control characters, bytes that are not UTF-8, blanks and dots at the end,
// rclone's own quote U+201B) are written with %XX, and marked: "=mx=name%0Awith a line break".

#include <optional>
#include <string>
#include <string_view>

namespace matrx::rclone {

inline constexpr std::string_view kOddMark = "=mx=";  // a part of a key that begins so is coded

// Nothing: the key would be longer than S3 allows (1,024 bytes with its prefix), or a part of it
// longer than a file's name.
std::optional<std::string> key_of(std::string_view path, std::size_t prefix_bytes);

// Nothing: no path of a home is written so.
std::optional<std::string> path_of(std::string_view key);

// The key as a pattern of rclone's filters that fits it alone.
std::string as_pattern(std::string_view key);

// Whether a part of the key is coded.
bool is_odd(std::string_view key);

}  // namespace matrx::rclone
