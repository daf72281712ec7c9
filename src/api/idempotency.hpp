#pragma once
// The Idempotency-Key header: a request that is sent again is not done again.

#include <optional>

#include "api/router.hpp"
#include "ports/store.hpp"

namespace matrx::api {

// Nothing where the request has no key. The fingerprint is a SHA-256 of what the body says, however
// it is spaced: a body may hold secrets, and must not be kept. invalid: an impossible key.
Result<std::optional<IdempotencyKey>> idempotency_key_of(const Context& context);

}  // namespace matrx::api
