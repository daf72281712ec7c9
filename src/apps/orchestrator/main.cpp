// matrx-orchestrator.

#include "apps/orchestrator/run.hpp"

int main(int argc, char** argv) { return matrx::run_orchestrator({argv + 1, argv + argc}); }
