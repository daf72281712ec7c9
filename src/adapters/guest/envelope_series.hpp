#pragma once
// A Connect stream of the agent as a series of values.

#include <algorithm>
#include <utility>

#include "base/limits.hpp"
#include "http/client.hpp"
#include "ports/machine.hpp"
#include "wire/connect_envelope.hpp"
#include "wire/guest_messages.hpp"

namespace matrx {

// What closes a stream: nothing, or {"error": {…}}.
std::optional<Error> read_end_of_stream(std::string_view text);

template <class T>
class EnvelopeSeries : public Series<T> {
 public:
  using Read = std::optional<T> (*)(std::string_view text);

  EnvelopeSeries(Clock& clock, std::unique_ptr<http::ResponseStream> stream, Read read)
      : clock_(clock),
        stream_(std::move(stream)),
        read_(read),
        decoder_(kMachineMessageBytesMax),
        heard_(clock.uptime()) {}

  // Reads the first one, which next() then gives: what the agent refuses is told here.
  Task<Result<void>> wait_first(milliseconds deadline = kGuestCallDeadline) {
    CO_TRY(first, co_await within(clock_, deadline, "The guest agent", next()));
    first_.emplace(std::move(first));
    co_return Result<void>();
  }

  Task<Result<std::optional<T>>> next() override {
    if (first_) {
      std::optional<T> first = *std::move(first_);
      first_.reset();
      co_return std::move(first);
    }
    for (;;) {
      CO_TRY(envelope, decoder_.next());
      if (envelope && (envelope->flags & ConnectEnvelope::kEndOfStream) != 0) {
        if (auto error = read_end_of_stream(envelope->text)) {
          co_return std::unexpected(*std::move(error));
        }
        co_return std::nullopt;
      }
      if (envelope) {
        auto value = read_(envelope->text);
        if (value) co_return value;
        continue;  // nothing that says something to us
      }
      // Counted over all calls: callers may wait in slices.
      const milliseconds left = heard_ + kMachineSilenceMax - clock_.uptime();
      CO_TRY(piece, co_await within(clock_, std::max(left, milliseconds(0)), "The guest agent",
                                    stream_->read_some()));
      heard_ = clock_.uptime();
      if (piece.empty()) {
        co_return fail(Code::unavailable, "The stream from the sandbox broke off.");
      }
      decoder_.append(piece);
    }
  }

  void close() override { stream_->close(); }

 private:
  Clock& clock_;
  std::unique_ptr<http::ResponseStream> stream_;
  Read read_;
  EnvelopeDecoder decoder_;
  std::optional<std::optional<T>> first_;
  milliseconds heard_;  // by the clock's uptime
};

}  // namespace matrx
