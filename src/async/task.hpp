#pragma once
// Task<T>: a coroutine. Nothing runs until it is awaited or given to a TaskGroup.
//
// Rules that hold everywhere (their reasons are in CONTRIBUTING.md):
//  - a task has an owner who waits for it; asio's "detached" is banned;
//  - a task stays on the thread it began on; blocking work goes through offload();
//  - name a lambda or an aggregate before you await with it (GCC 12 frees temporaries twice).

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.hpp"

namespace matrx {

namespace asio = boost::asio;

template <class T = void>
using Task = asio::awaitable<T>;

using Executor = asio::any_io_executor;

}  // namespace matrx
