#pragma once
// gzip (RFC 1952) in pieces of any size, with constant memory: give() what came, then next() until
// it is empty.

#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace matrx {

// gzip → plain bytes. Several streams behind each other are one, as for gunzip(1).
class Gunzip {
 public:
  Gunzip();
  ~Gunzip();

  void give(std::string_view bytes);
  // At most bytes_max plain bytes; empty: more input is needed, or all is done. invalid: this is
  // not gzip.
  Result<std::string> next(std::size_t bytes_max);
  // Whether what was given ended with the end of a stream.
  bool complete() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Plain bytes → gzip.
class Gzip {
 public:
  Gzip();
  ~Gzip();

  // What is ready of it; with `last` the end of the stream.
  std::string take(std::string_view bytes, bool last);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace matrx
