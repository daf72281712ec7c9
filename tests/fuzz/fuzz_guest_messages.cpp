// What a sandbox says to the orchestrator, and the other way round.

#include <cstdlib>

#include "base/text.hpp"
#include "wire/guest_messages.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace matrx;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto spec = guest::read_exec_request(text)) {
    if (spec->command.empty() || spec->command.find('\0') != std::string::npos) std::abort();
    if (spec->timeout.count() < 0) std::abort();
    if (!guest::read_exec_request(guest::write_exec_request(*spec))) std::abort();
  }
  if (const auto outcome = guest::read_exec_answer(text)) {
    if (!utf8_length(outcome->stdout_text) || !utf8_length(outcome->stderr_text)) std::abort();
    if (!guest::read_exec_answer(guest::write_exec_answer(*outcome))) std::abort();
  }
  (void)guest::read_signal(text);
  (void)guest::read_error(text);
  if (const auto grace = guest::read_shutdown_request(text); grace && grace->count() < 0) {
    std::abort();
  }
  return 0;
}
