#pragma once
// The header lines that pass a proxy, both ways. Behind links and the proxy is a hostile program
// under our own name, and a browser adds to each request what it has for that name: cookies,
// passwords, what a proxy in front of us says of who is signed in. None of that is the program's.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/program_cookies.hpp"
#include "http/message.hpp"

namespace matrx::api {

// How a request came in.
struct Passage {
  std::string_view key_header;
  const std::vector<std::string>& keys;
  // By one of our keys: no browser sends that by itself. Then what the request says about who is
  // there (Authorization, and the program's question for it) is the client's and the program's own
  // affair; otherwise it may be the browser's for all of our host, and stays here.
  bool with_key = false;
  bool is_upgrade = false;
  ProgramPlace place = {};
};

// Those of a request for a program: without what belongs to this connection, without our keys,
// wherever they are, and with the program's own cookies only.
http::Headers headers_inwards(const http::Request& request, const Passage& passage);

// Those of its answer: without what belongs to its connection, and without words about our whole
// origin (its storage, its certificate, its other addresses, who is signed in). Its cookies become
// its own; may_set decides about each name. What it sends is not ours: a browser gives it an origin
// of its own, so that it cannot act as a page of ours.
http::Headers headers_outwards(const http::Headers& headers, const Passage& passage,
                               const std::function<bool(const std::string& name)>& may_set);

// Would a browser run what is answered as a part of a page of ours? A program's own page has
// another origin, and so has all that it asks for.
bool is_for_a_page_of_ours(const http::Request& request);

}  // namespace matrx::api
