#pragma once
// `matrx-agent heartbeat|complete|error`: the signals of signal_relay.hpp for programs in any
// language, asked again like the Python package does.

#include <optional>
#include <string>
#include <vector>

#include "async/clock.hpp"
#include "base/random.hpp"
#include "http/client.hpp"
#include "model/sandbox.hpp"

namespace matrx::agent {

// As the Python package has them.
inline constexpr int kSignalTries = 4;
inline constexpr milliseconds kSignalTryDeadline{20'000};  // the agent itself answers earlier
inline constexpr milliseconds kSignalFirstPause{500};
inline constexpr milliseconds kSignalPauseMax{8000};

struct SignalCommand {
  std::string kind;  // heartbeat, complete, error
  std::string body;  // JSON
};

inline bool is_signal_kind(std::string_view word) {
  return word == "heartbeat" || word == "complete" || word == "error";
}

// The words of a command line. invalid: why, in words for whoever wrote it.
Result<SignalCommand> parse_signal_command(const std::vector<std::string>& words);

// Where the agent of this sandbox listens, from ORCHESTRATOR_URL and SANDBOX_ID.
struct SignalPlace {
  std::string host, port, sandbox_id;
};
Result<SignalPlace> find_signal_place(const Pairs& environment);

// What an answer means.
enum class SignalVerdict { done, refused, try_again };
// failed_before: tries of this signal that got no answer. With them "it has ended" says that one
// of them had arrived and only its answer was lost.
SignalVerdict judge_signal(std::string_view kind, int status, int failed_before);

// Doubles from kSignalFirstPause to kSignalPauseMax, shortened at random by up to a half: many
// sandboxes that lost the same orchestrator shall not return in step.
milliseconds signal_pause(int failed, Random& random);

// The answer's JSON. unavailable: kSignalTries tries have failed. Any other code: it was refused,
// and will be again.
Task<Result<std::string>> send_signal(SignalPlace place, SignalCommand command, Clock& clock,
                                      Random& random);

}  // namespace matrx::agent
