#include "adapters/guest/read_rest.hpp"

#include "base/limits.hpp"

namespace matrx {

Task<Result<std::string>> read_rest(http::ResponseStream& answer) {
  std::string body;
  for (;;) {
    CO_TRY(piece, co_await answer.read_some());
    if (piece.empty()) co_return body;
    body += piece;
    if (body.size() > kMachineMessageBytesMax) {
      co_return fail(Code::too_large, "The guest agent sent too large an answer.");
    }
  }
}

}  // namespace matrx
