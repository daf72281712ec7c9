#pragma once
// Memory that is free goes back to the system: a large home takes a hundred megabytes for a minute.

#include <cstddef>

namespace matrx {

// At the start of a program.
void keep_little_memory();

// After so many pieces were freed; few are not worth it. Blocking, for some milliseconds: for a
// worker thread.
void give_back_memory(std::size_t pieces);

}  // namespace matrx
