#pragma once
// The header lines that pass a proxy.

#include <string>
#include <string_view>
#include <vector>

#include "http/message.hpp"

namespace matrx::api {

// Those of a request for a program inside: without what belongs to this connection, without our
// cookie and our keys, be it in key_header or as a bearer token. Another bearer token is the
// program's own.
http::Headers headers_inwards(const http::Request& request, std::string_view key_header,
                              const std::vector<std::string>& keys, bool is_upgrade);

// Those of its answer: without what belongs to its connection, and without orders about our origin
// (its cookie, its storage, its certificate, its other addresses). What it sends is not ours: a
// browser gives it an origin of its own, so that it cannot act as a page of ours.
http::Headers headers_outwards(const http::Headers& headers, bool is_upgrade);

}  // namespace matrx::api
