#include "api/readiness.hpp"

#include "base/limits.hpp"

namespace matrx::api {

Task<Readiness::Report> Readiness::look() {
  const auto turn = co_await turn_.take();
  if (is_newer_than(looked_, kReadyKept)) co_return report_;
  report_.store = co_await core_.check_store();
  report_.runtime = co_await core_.check_runtime();
  // Where it was missing, it is looked for each time: its coming back is not to be waited for.
  if (!is_newer_than(found_storage_, kStorageReadyKept)) {
    report_.storage = co_await core_.check_storage();
    found_storage_.reset();
    if (report_.storage) found_storage_ = clock_.uptime();
  }
  looked_ = clock_.uptime();
  co_return report_;
}

}  // namespace matrx::api
