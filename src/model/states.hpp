#pragma once
// The state machine of a sandbox.

#include "model/sandbox.hpp"

namespace matrx {

// stopped, failed, expired: nothing follows.
bool is_final(Status status);

// ready or running: commands can be run in it.
bool is_usable(Status status);

// The sandbox cannot be used any more, and its home has still to reach the storage.
bool is_unsaved(const Sandbox& row);

// True where `to` may follow `from`. A change to the same status (new details) is allowed unless
// it is final. From every state that is not final shutting_down can be reached.
bool can_follow(Status from, Status to);

}  // namespace matrx
