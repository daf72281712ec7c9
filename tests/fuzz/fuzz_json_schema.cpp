// A request body → the schemas of the API. What was accepted keeps the limits that it was checked
// against, and can be written again.

#include <cstdlib>

#include "api/messages.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace matrx;
  static const api::Schemas schemas{api::MessageLimits{}};
  const auto parsed = json::parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!parsed) return 0;
  FieldErrors create_errors, exec_errors, other_errors;
  const auto create = schemas.create_request.decode(*parsed, create_errors);
  if (create_errors.empty()) {
    if (!is_valid_user_id(create.user_id)) std::abort();
    if (create.config && create.config->text.size() > kConfigBytesMax) std::abort();
    (void)json::serialize(schemas.create_request.encode(create));
  }
  const auto exec = schemas.exec_request.decode(*parsed, exec_errors);
  if (exec_errors.empty()) {
    if (exec.command.empty() || exec.command.find('\0') != std::string::npos) std::abort();
    if (exec.timeout < 1 || !utf8_length(exec.command)) std::abort();
    (void)json::serialize(schemas.exec_request.encode(exec));
  }
  (void)schemas.complete_request.decode(*parsed, other_errors);
  (void)schemas.error_request.decode(*parsed, other_errors);
  for (const auto* errors : {&create_errors, &exec_errors, &other_errors}) {
    for (const FieldError& error : *errors) {
      if (error.loc.empty() || error.msg.empty() || error.type.empty()) std::abort();
    }
  }
  return 0;
}
