#include "fakes/run_task.hpp"

namespace matrx {

void run_task(asio::io_context& io, Task<void> task) {
  std::exception_ptr error;
  asio::co_spawn(io, std::move(task), [&](std::exception_ptr e) { error = e; });
  io.restart();
  io.run();
  if (error) std::rethrow_exception(error);
}

void run_task(Task<void> task) {
  asio::io_context io(1);
  run_task(io, std::move(task));
}

}  // namespace matrx
