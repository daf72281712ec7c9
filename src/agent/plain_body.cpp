#include "agent/plain_body.hpp"

#include "agent/limits.hpp"
#include "base/text.hpp"

namespace matrx::agent {

PlainBody::PlainBody(http::BodyReader& reader, bool packed) : reader_(&reader) {
  if (packed) gunzip_ = std::make_unique<Gunzip>();
}

Result<PlainBody> PlainBody::make(const http::Request& request) {
  const auto encoding = trim(request.headers.get("Content-Encoding"));
  const bool packed = equals_ignoring_case(encoding, "gzip");
  if (!packed && !encoding.empty() && !equals_ignoring_case(encoding, "identity")) {
    return fail(Code::invalid, "Content-Encoding takes gzip.");
  }
  return PlainBody(*request.body_reader, packed);
}

Task<Result<std::string>> PlainBody::read_some() {
  for (;;) {
    if (gunzip_) {
      CO_TRY(plain, gunzip_->next(kFilePieceBytes));
      if (!plain.empty()) co_return std::move(plain);
    }
    CO_TRY(piece, co_await reader_->read_some());
    if (!gunzip_) co_return std::move(piece);
    if (piece.empty()) {
      if (gunzip_->complete()) co_return std::string();
      co_return fail(Code::invalid, "The body is not complete gzip.");
    }
    gunzip_->give(piece);
  }
}

}  // namespace matrx::agent
