// matrx-orchestrator.

#include "apps/orchestrator/run.hpp"
#include "base/memory.hpp"

int main(int argc, char** argv) {
  matrx::keep_little_memory();
  return matrx::run_orchestrator({argv + 1, argv + argc});
}
