#pragma once
// The cookies of programs behind links and the proxy. For a browser they are cookies of our host,
// beside those of the dashboard, of other programs and of the site around us. So each has another
// name outside, which says whose it is, and holds for the program's own paths only: no program is
// sent a cookie that it has not set itself, and none sets one that is sent anywhere else.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/ids.hpp"

namespace matrx::api {

// Where a program is, as a browser sees it.
struct ProgramPlace {
  std::string cookie_prefix;  // "mx-0123456789ab-5173-"
  std::string path;           // "/links/<secret>", "/sandboxes/<id>/proxy/<port>"
};

std::string cookie_prefix(const SandboxId& id, int port);

// The value of a Cookie header with only the program's cookies, under its own names for them; empty
// where there are none.
std::string cookies_inwards(std::string_view cookies, std::string_view prefix);

// A Set-Cookie of the program as a browser may see it: renamed, without Domain, for its path only.
// Nothing: without a name, with a control byte, or too long. `name` is the program's own for it.
struct ProgramCookie {
  std::string name, set_cookie;
};
std::optional<ProgramCookie> cookie_outwards(std::string_view set_cookie,
                                             const ProgramPlace& place);

// How many a program has: a browser that has too many of a site forgets some, maybe ours.
class ProgramCookieNames {
 public:
  // False: there are kProgramCookiesMax others at this path.
  bool may_set(const std::string& path, const std::string& name);

 private:
  std::map<std::string, std::set<std::string>> names_;  // by path
};

}  // namespace matrx::api
