// Headers and bodies of the agent's plain routes: Range, Accept-Encoding, /init, signatures,
// watches; and the kernel's table of sockets.

#include <cstdlib>

#include "agent/access.hpp"
#include "agent/filesystem_service.hpp"
#include "agent/init_message.hpp"
#include "agent/limits.hpp"
#include "agent/ports.hpp"
#include "wire/byte_range.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace matrx;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::uint64_t bytes = data[0];
  const auto answer = parse_range(text, bytes);
  if (answer.kind == RangeAnswer::Kind::part) {
    if (answer.range.count == 0 || answer.range.first >= bytes) std::abort();
    if (answer.range.count > bytes - answer.range.first) std::abort();
  }
  for (const bool six : {false, true}) {
    for (const auto& listener : agent::parse_listeners(text, six)) {
      if (listener.address.empty()) std::abort();
    }
  }
  const auto accepted = parse_accept_encoding(text);
  if (accepted.only_gzip && !accepted.gzip) std::abort();
  if (const auto init = agent::read_init(text); init && init->variables) {
    if (init->variables->size() > agent::kEnvVarsMax) std::abort();
  }
  http::Request request{.method = http::Method::get, .query = std::string(text)};
  if (agent::check_file_access(request, "a token that nobody knows", 0)) std::abort();
  if (const auto parsed = json::parse(text); parsed && parsed->is_object()) {
    (void)agent::read_watch_request(parsed->get_object());
  }
  return 0;
}
