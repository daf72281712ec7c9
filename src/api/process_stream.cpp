#include "api/process_stream.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace matrx::api {
namespace {

std::string_view name_of(OutputStream stream) {
  switch (stream) {
    case OutputStream::standard_output:
      return "stdout";
    case OutputStream::standard_error:
      return "stderr";
    case OutputStream::terminal:
      return "terminal";
  }
  return "stdout";
}

}  // namespace

// Also while there is nothing to write a reader that has gone is noticed.
Task<void> ProcessStream::run(http::BodyWriter& writer) {
  return while_wanted(writer, write_all(writer));
}

Task<void> ProcessStream::write_all(http::BodyWriter& writer) {
  for (;;) {
    if (!text_.empty() && !co_await writer.write(std::exchange(text_, {}))) co_return;
    const auto next = co_await events_->next();
    const std::optional<ProcessEvent> event = next.value_or(std::nullopt);
    if (!event) {
      Error broken{Code::unavailable, "The stream from the sandbox broke off.", {}};
      if (!next) broken = co_await inside_.explain(id_, next.error(), actor_);
      say_text_left();
      text_ += sse_event(
          "error", json::object{{"code", code_name(broken.code)}, {"detail", broken.message}});
      (void)co_await writer.write(text_);
      co_return;
    }
    say(*event);
    if (event->kind == ProcessEvent::Kind::end) {
      (void)co_await writer.write(text_);
      co_return;
    }
  }
}

void ProcessStream::say(const ProcessEvent& event) {
  switch (event.kind) {
    case ProcessEvent::Kind::start:
      if (!event.cwd.empty()) cwd_ = event.cwd;
      return;
    case ProcessEvent::Kind::quiet:
      text_ += kSseKeepAlive;
      return;
    case ProcessEvent::Kind::data:
      return say_data(event);
    case ProcessEvent::Kind::gap:
      text_ += sse_event("gap", json::object{{"from", event.lost_from}, {"to", event.offset}},
                         event.offset);
      return;
    case ProcessEvent::Kind::end: {
      say_text_left();
      const auto took = std::chrono::steady_clock::now() - began_;
      json::object exit{{"exit_code", event.end.exit_code},
                        {"duration_ms", std::chrono::duration_cast<milliseconds>(took).count()},
                        {"timed_out", event.end.timed_out},
                        {"out_of_memory", event.end.out_of_memory}};
      const std::string& cwd = event.end.cwd.empty() ? cwd_ : event.end.cwd;
      if (!cwd.empty()) exit["cwd"] = cwd;
      text_ += sse_event("exit", exit, event.offset);
      return;
    }
  }
}

void ProcessStream::say_data(const ProcessEvent& event) {
  OutputText& text = event.stream == OutputStream::standard_error ? err_ : out_;
  const std::uint64_t begin = event.offset - std::min<std::uint64_t>(event.offset, text.held());
  std::string data = as_base64_ ? base64_encode(event.bytes) : text.take(event.bytes);
  if (data.empty()) return;  // half a character: it comes with the other half
  // Who comes back gets what is held back now.
  const std::uint64_t after = event.offset + event.bytes.size() - text.held();
  text_ += sse_event(name_of(event.stream),
                     json::object{{"data", std::move(data)}, {"offset", begin}}, after);
}

void ProcessStream::say_text_left() {
  for (auto [text, name] : {std::pair(&out_, "stdout"), std::pair(&err_, "stderr")}) {
    if (std::string rest = text->finish(); !rest.empty()) {
      text_ += sse_event(name, json::object{{"data", std::move(rest)}});
    }
  }
}

}  // namespace matrx::api
