#pragma once
// What can go wrong, as a value. Expected failures travel as Result<T>; exceptions are for bugs.

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace matrx {

// The kinds of failure that a caller can act on. api/errors.cpp maps each to one HTTP status;
// when adding one, extend that table, code_name() and docs in the generated OpenAPI document.
enum class Code {
  invalid,          // the request itself is wrong
  unauthenticated,  // no credential
  forbidden,        // a credential that does not allow this
  not_found,        // no such sandbox, file, process
  conflict,         // not in this state, or somebody else was faster
  home_not_saved,   // homes of this user wait that cannot be saved: one has to be given up
  gone,             // it existed and has ended
  too_large,        // over a named limit
  exhausted,        // capacity or quota reached; later may succeed
  unavailable,      // a dependency does not answer; later may succeed
  timeout,          // a deadline passed
  unsupported,      // asked for something that does not exist here (yet)
  cancelled,        // we are shutting down, or the owner gave up
  internal,         // a bug
};

std::string_view code_name(Code code);

// message may be shown to any caller; internal goes to the log only. Keeping them apart is what
// keeps host paths, driver texts and secrets out of answers.
struct Error {
  Code code = Code::internal;
  std::string message;
  std::string internal;
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Code code, std::string message, std::string internal = {}) {
  return std::unexpected(Error{code, std::move(message), std::move(internal)});
}

}  // namespace matrx

// Statement macros for coroutines: run the expression, leave with its error or name its value.
//   CO_TRY(sandbox, co_await store.get(id));
//   CO_CHECK(co_await runtime.remove(id));
// They are statements on purpose: statement expressions break in GCC coroutines (GCC PR 115851).
#define CO_TRY(name, ...)                                                          \
  auto name##_result = (__VA_ARGS__);                                              \
  if (!name##_result) co_return std::unexpected(std::move(name##_result).error()); \
  auto& name = *name##_result

#define CO_CHECK(...)                                   \
  if (auto check_result = (__VA_ARGS__); !check_result) \
  co_return std::unexpected(std::move(check_result).error())

// The same for plain functions.
#define TRY(name, ...)                                                          \
  auto name##_result = (__VA_ARGS__);                                           \
  if (!name##_result) return std::unexpected(std::move(name##_result).error()); \
  auto& name = *name##_result

#define CHECK_OK(...)                                   \
  if (auto check_result = (__VA_ARGS__); !check_result) \
  return std::unexpected(std::move(check_result).error())
