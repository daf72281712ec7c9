#pragma once
// The rest of an answer that is small. too_large: it is not.

#include "http/client.hpp"

namespace matrx {

Task<Result<std::string>> read_rest(http::ResponseStream& answer);

}  // namespace matrx
