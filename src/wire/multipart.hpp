#pragma once
// multipart/form-data (RFC 7578) in pieces of any size, with constant memory.

#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace matrx {

struct MultipartEvent {
  enum class Kind { part, data, part_end, end };
  Kind kind = Kind::end;
  std::string name;                     // of a part: its field
  std::optional<std::string> filename;  // of a part; may hold slashes
  std::string bytes;                    // of data
};

class MultipartDecoder {
 public:
  explicit MultipartDecoder(std::string_view boundary)
      : delimiter_("\r\n--" + std::string(boundary)) {}

  void append(std::string_view bytes);

  // The next event, if there is one yet. invalid: broken. After `end` nothing follows.
  Result<std::optional<MultipartEvent>> next();

 private:
  enum class State { preamble, after_delimiter, headers, data, done };

  std::optional<MultipartEvent> take_data();
  Result<bool> take_delimiter_line();
  Result<std::optional<MultipartEvent>> take_headers();

  std::string delimiter_;
  std::string buffer_ = "\r\n";  // so that the first delimiter looks like all others
  std::size_t used_ = 0;
  State state_ = State::preamble;
};

// The boundary of "multipart/form-data; boundary=…"; nothing where it is something else, or the
// boundary is not one (1 to 70 characters).
std::optional<std::string> multipart_boundary(std::string_view content_type);

// A parameter of a header's value: name="value" or name=value. Of quoted ones \" and \\ are
// resolved.
std::optional<std::string> header_parameter(std::string_view value, std::string_view name);

}  // namespace matrx
