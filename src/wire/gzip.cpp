#include "wire/gzip.hpp"

#include <zlib.h>

#include <array>
#include <new>

namespace matrx {
namespace {

constexpr int kGzipWindow = 15 + 16;  // 32 KiB, and gzip's own header
constexpr int kMemoryLevel = 8;
constexpr int kFast = 1;  // it is for a link within one host

}  // namespace

struct Gunzip::State {
  z_stream stream{};
  std::string input;
  std::size_t used = 0;
  bool inside = false;  // a stream has begun and not ended
  bool failed = false;
  bool ever = false;
};

Gunzip::Gunzip() : state_(std::make_unique<State>()) {
  if (::inflateInit2(&state_->stream, kGzipWindow) != Z_OK) throw std::bad_alloc();
}

Gunzip::~Gunzip() { ::inflateEnd(&state_->stream); }

void Gunzip::give(std::string_view bytes) {
  state_->input.erase(0, std::exchange(state_->used, 0));
  state_->input += bytes;
}

Result<std::string> Gunzip::next(std::size_t bytes_max) {
  State& s = *state_;
  std::string plain(bytes_max, '\0');
  std::size_t have = 0;
  while (!s.failed && have < bytes_max) {
    s.stream.next_in = reinterpret_cast<Bytef*>(s.input.data() + s.used);
    s.stream.avail_in = static_cast<uInt>(s.input.size() - s.used);
    s.stream.next_out = reinterpret_cast<Bytef*>(plain.data() + have);
    s.stream.avail_out = static_cast<uInt>(bytes_max - have);
    // Output may still be waiting inside when there is no input.
    const uInt in_before = s.stream.avail_in, out_before = s.stream.avail_out;
    if (in_before == 0 && !s.inside) break;
    const int answer = ::inflate(&s.stream, Z_NO_FLUSH);
    s.used += in_before - s.stream.avail_in;
    have += out_before - s.stream.avail_out;
    s.inside = true;
    if (answer == Z_STREAM_END) {
      s.inside = false;
      s.ever = true;
      if (::inflateReset(&s.stream) != Z_OK) s.failed = true;
    } else if (answer == Z_BUF_ERROR ||
               (answer == Z_OK && s.stream.avail_in == 0 && out_before == s.stream.avail_out)) {
      break;  // it can do nothing without more
    } else if (answer != Z_OK) {
      s.failed = true;
    }
  }
  if (s.failed) return fail(Code::invalid, "The body is not valid gzip.");
  plain.resize(have);
  return plain;
}

bool Gunzip::complete() const {
  return state_->ever && !state_->inside && state_->used == state_->input.size();
}

struct Gzip::State {
  z_stream stream{};
};

Gzip::Gzip() : state_(std::make_unique<State>()) {
  if (::deflateInit2(&state_->stream, kFast, Z_DEFLATED, kGzipWindow, kMemoryLevel,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
}

Gzip::~Gzip() { ::deflateEnd(&state_->stream); }

std::string Gzip::take(std::string_view bytes, bool last) {
  z_stream& stream = state_->stream;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string packed;
  std::array<char, 16 * 1024> part;
  do {
    stream.next_out = reinterpret_cast<Bytef*>(part.data());
    stream.avail_out = static_cast<uInt>(part.size());
    (void)::deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH);
    packed.append(part.data(), part.size() - stream.avail_out);
  } while (stream.avail_out == 0);
  return packed;
}

}  // namespace matrx
