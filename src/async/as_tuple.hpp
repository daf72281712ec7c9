#pragma once
// The completion token for Asio's operations whose error is a value:
// const auto [ec, bytes] = co_await socket.async_read_some(buffer, kAsTuple);

#include <boost/asio/as_tuple.hpp>

#include "async/task.hpp"

namespace matrx {

inline constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

}  // namespace matrx
