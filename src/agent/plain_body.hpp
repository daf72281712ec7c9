#pragma once
// The bytes of a request, unpacked where they are packed.

#include <memory>

#include "http/message.hpp"
#include "wire/gzip.hpp"

namespace matrx::agent {

class PlainBody {
 public:
  // invalid: a Content-Encoding that we do not know.
  static Result<PlainBody> make(const http::Request& request);

  // The next bytes; empty at the end. invalid: broken, or cut off.
  Task<Result<std::string>> read_some();

 private:
  PlainBody(http::BodyReader& reader, bool packed);

  http::BodyReader* reader_;
  std::unique_ptr<Gunzip> gunzip_;
};

}  // namespace matrx::agent
