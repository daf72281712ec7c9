// What a stranger says its name is, before it has proved anything.

#include <cstdlib>

#include "wire/access_name.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace matrx;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto name = decode_access_name(text);
  if (name && encode_access_name(*name) != text) std::abort();
  return 0;
}
