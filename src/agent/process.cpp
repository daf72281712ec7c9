#include "agent/process.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <cerrno>

#include "agent/limits.hpp"
#include "agent/metrics.hpp"
#include "async/as_tuple.hpp"
#include "async/clock.hpp"

namespace matrx::agent {
namespace {

using asio::posix::stream_descriptor;

std::size_t chunk_bytes(OutputKind kind) {
  return kind == OutputKind::terminal ? kTerminalChunkBytesMax : kChunkBytesMax;
}

// One for all: a single thread reads, and never across a suspension.
std::string& process_buffer() {
  static std::string buffer(kChunkBytesMax, '\0');
  return buffer;
}

}  // namespace

// --- ProcessReader -----------------------------------------------------------------------------

Result<std::unique_ptr<ProcessReader>> ProcessReader::make(std::shared_ptr<Process> process,
                                                           std::optional<std::uint64_t> since,
                                                           bool may_skip) {
  const std::uint64_t end = process->ring_.end();
  if (since.value_or(0) > end) {
    return fail(Code::invalid, "The process has written only " + std::to_string(end) + " bytes.");
  }
  if (process->readers_.size() >= kReadersMax) {
    return fail(Code::exhausted, "Too many streams are open on this process.");
  }
  // Not make_unique: the constructor is private.
  return std::unique_ptr<ProcessReader>(
      new ProcessReader(std::move(process), since.value_or(end), may_skip));
}

ProcessReader::ProcessReader(std::shared_ptr<Process> process, std::uint64_t offset, bool may_skip)
    : process_(std::move(process)), offset_(offset), may_skip_(may_skip) {
  process_->readers_.push_back(this);
}

ProcessReader::~ProcessReader() {
  process_->readers_.remove(this);
  process_->changed_.notify();  // a slow one that leaves must not hold the process up any longer
}

std::optional<ProcessEvent> ProcessReader::take() {
  const OutputRing& ring = process_->ring_;
  if (offset_ < ring.begin()) {
    const std::uint64_t from = std::exchange(offset_, ring.begin());
    return ProcessEvent{.kind = ProcessEvent::Kind::gap, .lost_from = from, .offset = offset_};
  }
  const bool terminal = process_->spec_.terminal.has_value();
  if (auto piece = ring.read(offset_, terminal ? kTerminalChunkBytesMax : kChunkBytesMax)) {
    const std::uint64_t at = std::exchange(offset_, offset_ + piece->bytes.size());
    return ProcessEvent{.kind = ProcessEvent::Kind::data,
                        .output = piece->kind,
                        .bytes = std::move(piece->bytes),
                        .offset = at};
  }
  const std::optional<int> status = process_->end_;
  if (!status || std::exchange(heard_end_, true)) return std::nullopt;
  return ProcessEvent{.kind = ProcessEvent::Kind::end, .offset = offset_, .wait_status = *status};
}

Task<std::optional<ProcessEvent>> ProcessReader::next(milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    auto event = take();
    if (event) {
      process_->changed_.notify();  // there is room again
      co_return event;
    }
    const auto left = until - std::chrono::steady_clock::now();
    if (left.count() <= 0) co_return std::nullopt;
    co_await process_->changed_.wait(std::chrono::ceil<milliseconds>(left));
  }
}

// --- Process -----------------------------------------------------------------------------------

Process::Process(ProcessSpec spec, std::shared_ptr<Tree> tree, RingBudget& budget, std::string cwd)
    : spec_(std::move(spec)),
      tree_(std::move(tree)),
      ring_(budget, kRingBytesMin, kRingBytesMax),
      started_at_(std::chrono::floor<milliseconds>(std::chrono::system_clock::now())),
      cwd_(std::move(cwd)),
      oom_kills_(count_oom_kills()) {}

Task<Result<void>> Process::write_input(std::string bytes) {
  const auto turn = co_await input_turn_.take();  // two calls at once must not mix their bytes
  const auto input = input_;
  if (!input || end_) co_return fail(Code::conflict, "The input of the process is closed.");
  SystemClock clock;
  const auto written =
      co_await with_deadline(clock, kInputDeadline, write_all(input, std::move(bytes)));
  if (!written) co_return fail(Code::timeout, "The process does not read its input.");
  if (!*written) co_return fail(Code::conflict, "The input of the process is closed.");
  co_return Result<void>();
}

// Piece by piece: a close between two of them finds nothing to cancel, so each looks whether the
// input is still the one it writes to.
Task<bool> Process::write_all(Pipe to, std::string bytes) {
  for (std::string_view rest = bytes; !rest.empty();) {
    if (input_ != to) co_return false;
    const auto [ec, count] = co_await to->async_write_some(asio::buffer(rest), kAsTuple);
    if (ec) co_return false;
    rest.remove_prefix(count);
  }
  co_return true;
}

Result<void> Process::close_input() {
  if (spec_.terminal) {
    return fail(Code::conflict, "A terminal's input cannot be closed; send it Ctrl-D.");
  }
  drop_input();
  return {};
}

void Process::drop_input() {
  if (!input_) return;
  boost::system::error_code ignored;
  input_->cancel(ignored);  // whoever is writing learns that it is closed
  input_.reset();
}

Result<void> Process::resize(TerminalSize size) {
  CHECK_OK(check_size(size));
  if (!spec_.terminal || !input_) return fail(Code::conflict, "The process has no terminal.");
  CHECK_OK(resize_terminal(input_->native_handle(), size));
  spec_.terminal = size;
  return {};
}

bool Process::someone_is_behind(std::size_t count) const {
  return std::ranges::any_of(readers_, [&](const ProcessReader* reader) {
    return !reader->may_skip_ && reader->offset_ < ring_.end() &&
           !ring_.would_keep(reader->offset_, count);
  });
}

// Pipe → ring. Ends at the end of the pipe, or after the exit when nothing is left in it.
Task<void> Process::pump(Pipe from, OutputKind kind) {
  const std::size_t chunk = chunk_bytes(kind);
  for (std::size_t drained = 0; drained < kDrainBytesMax;) {
    while (someone_is_behind(chunk)) co_await changed_.wait(kPingDefault);
    if (!exited_) {
      const auto [ec] = co_await from->async_wait(stream_descriptor::wait_read, kAsTuple);
      if (ec && !exited_) co_return;
      // Others may have filled the ring meanwhile.
      if (someone_is_behind(chunk)) continue;
    }
    std::string& buffer = process_buffer();
    const ssize_t count = ::read(from->native_handle(), buffer.data(), chunk);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) {
      if (exited_) co_return;
      continue;
    }
    if (count <= 0) {  // of a terminal EIO: nobody has it open any more
      from->close();
      co_return;
    }
    if (exited_) drained += static_cast<std::size_t>(count);
    ring_.append(kind, {buffer.data(), static_cast<std::size_t>(count)});
    changed_.notify();
  }
}

void Process::end(int wait_status) {
  drop_input();
  end_ = wait_status;
  out_of_memory_ = count_oom_kills() > oom_kills_;
  changed_.notify();
}

}  // namespace matrx::agent
