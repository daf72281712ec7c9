#pragma once
// What a process says, as server-sent events.

#include <memory>

#include "api/sse.hpp"
#include "core/inside.hpp"

namespace matrx::api {

// Events: stdout, stderr, terminal {data, offset}; gap {from, to}; exit {exit_code, cwd?,
// duration_ms, timed_out, out_of_memory}; error {code, detail} where it breaks off. data is text,
// or base64 of the very bytes. Each id is the offset to go on from.
class ProcessStream {
 public:
  // inside outlives it. hold: while it runs, the sandbox counts as busy; may be nothing.
  ProcessStream(Inside& inside, SandboxId id, Actor actor, std::shared_ptr<ProcessEvents> events,
                bool as_base64, std::optional<Activity::Hold> hold = {})
      : inside_(inside),
        id_(std::move(id)),
        actor_(std::move(actor)),
        events_(std::move(events)),
        as_base64_(as_base64),
        hold_(std::move(hold)) {}

  // Words to come first, as finished events.
  void begin_with(std::string text) { text_ = std::move(text); }

  // When and where the process began, if that is known.
  void began(std::chrono::steady_clock::time_point at, std::string cwd) {
    began_ = at;
    cwd_ = std::move(cwd);
  }

  Task<void> run(http::BodyWriter& writer);

 private:
  Task<void> write_all(http::BodyWriter& writer);
  void say(const ProcessEvent& event);
  void say_data(const ProcessEvent& event);
  void say_text_left();

  Inside& inside_;
  SandboxId id_;
  Actor actor_;
  std::shared_ptr<ProcessEvents> events_;
  bool as_base64_;
  std::optional<Activity::Hold> hold_;
  OutputText out_, err_;
  std::string cwd_, text_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace matrx::api
