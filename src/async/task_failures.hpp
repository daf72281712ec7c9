#pragma once
// How many tasks of an event loop have ended by an exception, by their names: each is a bug, and
// none must pass unseen.

#include <cstdint>
#include <exception>
#include <map>
#include <string_view>

#include "async/task.hpp"

namespace matrx {

// True for the exception by which a cancelled wait ends.
bool is_cancellation(const std::exception_ptr& error);

// Logs and counts it. `name` must outlive the process: use a literal.
void note_task_failure(const Executor& executor, const char* name, const std::exception_ptr& error);

// Of all groups on this event loop.
const std::map<std::string_view, std::int64_t>& task_failures(const Executor& executor);

}  // namespace matrx
