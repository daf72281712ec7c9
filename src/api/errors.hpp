#pragma once
// Core's errors → HTTP answers. The only place that knows both.

#include "base/error.hpp"
#include "http/message.hpp"
#include "wire/codec.hpp"

namespace matrx::api {

int status_of(Code code);

// {"detail", "code", "request_id"}, with Retry-After where trying again makes sense. What is
// internal goes to the log.
http::Response error_response(const Error& error, const std::string& request_id);
http::Response error_response(int status, Code code, std::string_view detail,
                              const std::string& request_id);

// 422 with a list of problems, as FastAPI answers.
http::Response validation_response(const FieldErrors& errors, const std::string& request_id);

http::Response json_response(int status, const json::value& body);

}  // namespace matrx::api
