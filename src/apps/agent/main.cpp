// matrx-agent: the one program of ours inside a sandbox.

#include <malloc.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <charconv>
#include <csignal>
#include <cstdio>

#include "agent/agent.hpp"
#include "agent/environment.hpp"
#include "agent/signal_command.hpp"
#include "base/log.hpp"

namespace matrx::agent {
namespace {

constexpr int kExitWrongUse = 2;
constexpr int kExitRefused = 3;

constexpr const char* kHelp =
    "matrx-agent: runs commands in a sandbox for its orchestrator.\n\n"
    "  matrx-agent serve --socket PATH [--relay-port N]\n"
    "  matrx-agent heartbeat\n"
    "  matrx-agent complete [RESULT]\n"
    "  matrx-agent error TEXT [DETAILS]\n"
    "  matrx-agent --version\n"
    "  matrx-agent --help\n\n"
    "  --socket      Unix socket to listen on, for the orchestrator\n"
    "  --relay-port  loopback port for programs in the sandbox (49980)\n\n"
    "heartbeat, complete and error are for programs in the sandbox: still at work; done, end the\n"
    "sandbox; failed, end the sandbox. RESULT and DETAILS are JSON. They are tried several times.\n"
    "Exit code 0: arrived, the answer is on the standard output. 1: it could not be delivered.\n"
    "2: wrong words. 3: refused, and would be again.\n";

int wrong_use(const std::string& why) {
  std::fprintf(stderr, "matrx-agent: %s; see --help\n", why.c_str());
  return kExitWrongUse;
}

// What was needed once shall not stay with us: one heap for all threads, large pieces apart from it
// and given back at once.
void keep_memory_small() {
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_MMAP_THRESHOLD, 128 * 1024);  // fixed: it would grow with use
  ::mallopt(M_TRIM_THRESHOLD, 128 * 1024);
}

int serve(AgentSettings settings) {
  keep_memory_small();
  asio::io_context io(1);
  Agent agent(io.get_executor(), std::move(settings));
  Result<void> result;
  asio::co_spawn(io, agent.run(), [&](std::exception_ptr error, Result<void> ended) {
    if (error) std::rethrow_exception(error);
    result = std::move(ended);
    io.stop();  // what still waits (for background output) ends with us
  });
  io.run();
  if (result) return 0;
  std::fprintf(stderr, "matrx-agent: %s\n", result.error().message.c_str());
  return 1;
}

int signal(const std::vector<std::string>& words) {
  auto command = parse_signal_command(words);
  if (!command) return wrong_use(command.error().message);
  auto place = find_signal_place(from_lines(environ));
  if (!place) return wrong_use(place.error().message);
  asio::io_context io(1);
  SystemClock clock;
  SystemRandom random;
  Result<std::string> result;
  asio::co_spawn(io, send_signal(*std::move(place), *std::move(command), clock, random),
                 [&](std::exception_ptr error, Result<std::string> answer) {
                   if (error) std::rethrow_exception(error);
                   result = std::move(answer);
                   io.stop();
                 });
  io.run();
  if (result) return std::puts(result->c_str()) < 0;
  std::fprintf(stderr, "matrx-agent: %s: %s\n", words[0].c_str(), result.error().message.c_str());
  return result.error().code == Code::unavailable ? 1 : kExitRefused;
}

int main_of(const std::vector<std::string>& arguments) {
  if (arguments.size() == 1 && arguments[0] == "--help") return std::fputs(kHelp, stdout) < 0;
  if (arguments.size() == 1 && arguments[0] == "--version") {
    return std::puts("matrx-agent " MATRX_VERSION) < 0;
  }
  if (!arguments.empty() && is_signal_kind(arguments[0])) return signal(arguments);
  if (arguments.empty() || arguments[0] != "serve") {
    return wrong_use("the first word is serve, heartbeat, complete or error");
  }
  AgentSettings settings;
  settings.environment = from_lines(environ);
  settings.sandbox_id = value_of(settings.environment, "SANDBOX_ID");
  for (std::size_t i = 1; i < arguments.size(); i += 2) {
    if (i + 1 == arguments.size()) return wrong_use(arguments[i] + " needs a value");
    const std::string& value = arguments[i + 1];
    if (arguments[i] == "--socket") {
      settings.socket = value;
    } else if (arguments[i] == "--relay-port") {
      const char* end = value.data() + value.size();
      const auto [stopped, ec] = std::from_chars(value.data(), end, settings.relay_port);
      if (ec != std::errc() || stopped != end || settings.relay_port < 0 ||
          settings.relay_port > 65535) {
        return wrong_use("--relay-port takes 0 to 65535");
      }
    } else {
      return wrong_use("unknown option '" + arguments[i] + "'");
    }
  }
  if (settings.socket.empty()) return wrong_use("--socket is missing");
  return serve(std::move(settings));
}

}  // namespace
}  // namespace matrx::agent

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  return matrx::agent::main_of({argv + 1, argv + argc});
}
