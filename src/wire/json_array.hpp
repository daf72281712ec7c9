#pragma once
// A long JSON array, element by element: a document of a hundred thousand of them, read as a whole,
// would take several times its text in memory.

#include <functional>
#include <string_view>

#include "wire/json.hpp"

namespace matrx::json {

struct ArrayDocument {
  object others;           // the object's other members
  bool has_array = false;  // false: it has no such member, or that is no array
};

// Reads {"name": […], …}, as strictly as parse(), and shows each element of that array in its
// order. What `see` refuses ends it. invalid: it is no such object.
Result<ArrayDocument> parse_array_in(std::string_view text, std::string_view name,
                                     const std::function<Result<void>(const value&)>& see);

}  // namespace matrx::json
