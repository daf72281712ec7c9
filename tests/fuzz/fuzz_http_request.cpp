// A request in two pieces: where the cut is must not matter. Only how early nonsense is noticed may
// depend on it.

#include <cstdlib>

#include "http/parser.hpp"

namespace {

struct Read {
  bool complete = false;
  bool failed = false;
  std::string method, target, body;
  std::size_t headers = 0;
  std::string rest;
  bool operator==(const Read&) const = default;
};

using Parser = matrx::http::MessageParser<true>;

Read read(std::string_view first, std::string_view second) {
  Parser parser;
  Read read;
  std::string buffer;
  for (std::string_view piece : {first, second}) {
    buffer += piece;
    for (const bool with_body : {false, true}) {
      const auto need = parser.feed(buffer, with_body);
      read.body += parser.take_body();
      if (need == Parser::Need::failed) {
        read = Read{};  // how far it came before the error may depend on the cut
        read.failed = true;
        return read;
      }
      if (need == Parser::Need::more) break;
    }
  }
  if (!parser.header_done()) return read;
  const auto method = parser.message().method_string();
  const auto target = parser.message().target();
  read.method.assign(method.data(), method.size());
  read.target.assign(target.data(), target.size());
  read.headers = matrx::http::to_headers(parser.message()).lines().size();
  read.complete = parser.done();
  if (read.complete) read.rest = buffer;
  return read;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t cut = bytes.size() * data[0] / 256;
  const Read whole = read(bytes, {});
  const Read cut_in_two = read(bytes.substr(0, cut), bytes.substr(cut));
  if ((whole.complete || cut_in_two.complete) && cut_in_two != whole) std::abort();
  if (whole.target.find_first_of("\r\n ") != std::string::npos) std::abort();
  return 0;
}
