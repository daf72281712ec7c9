// What clients say to process.Process, and what is said to them.

#include <cstdlib>

#include "agent/limits.hpp"
#include "agent/process_messages.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace matrx;
  using namespace matrx::agent;
  const auto parsed = json::parse({reinterpret_cast<const char*>(data), size});
  if (!parsed || !parsed->is_object()) return 0;
  const json::object& message = parsed->get_object();
  const auto has_nul = [](const std::string& text) { return text.find('\0') != text.npos; };
  const auto is_size = [](TerminalSize s) { return s.columns > 0 && s.rows > 0; };
  if (const auto spec = read_process_spec(message, "user")) {
    if (spec->program.empty() || has_nul(spec->program) || has_nul(spec->cwd)) std::abort();
    if (spec->arguments.size() > kArgumentsMax || spec->env.size() > kEnvVarsMax) std::abort();
    if (spec->terminal && !is_size(*spec->terminal)) std::abort();
    (void)json::serialize(write_config(*spec));
  }
  if (const auto size_read = read_terminal_size(message); size_read && !is_size(*size_read)) {
    std::abort();
  }
  if (const auto selector = read_selector(message); selector && selector->pid < 0) std::abort();
  if (const auto signal = read_signal(message); signal && (*signal <= 0 || *signal > 64)) {
    std::abort();
  }
  (void)read_input(message);
  (void)read_stream_wish(message);
  return 0;
}
