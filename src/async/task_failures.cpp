#include "async/task_failures.hpp"

#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/system/system_error.hpp>

#include "base/log.hpp"

namespace matrx {
namespace {

// Lives with the event loop, as its tasks do.
class Failures : public asio::execution_context::service {
 public:
  using key_type = Failures;
  static inline asio::execution_context::id id;

  explicit Failures(asio::execution_context& context) : asio::execution_context::service(context) {}

  std::map<std::string_view, std::int64_t> by_name;

 private:
  void shutdown() override {}
};

Failures& failures_of(const Executor& executor) {
  return asio::use_service<Failures>(asio::query(executor, asio::execution::context));
}

}  // namespace

bool is_cancellation(const std::exception_ptr& error) {
  if (!error) return false;
  try {
    std::rethrow_exception(error);
  } catch (const boost::system::system_error& e) {
    return e.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

void note_task_failure(const Executor& executor, const char* name,
                       const std::exception_ptr& error) {
  ++failures_of(executor).by_name[name];
  std::string what = "of an unknown kind";
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    what = e.what();
  } catch (...) {
  }
  log::error("task failed", {{"task", name}, {"error", what}});
}

const std::map<std::string_view, std::int64_t>& task_failures(const Executor& executor) {
  return failures_of(executor).by_name;
}

}  // namespace matrx
