// /etc/passwd and /etc/group of any image.

#include <cstdlib>

#include "agent/limits.hpp"
#include "agent/proc_table.hpp"
#include "agent/users.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace matrx::agent;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const char* who : {"root", "agent", "1000", "0"}) {
    const auto user = find_user(text, who);
    if (!user) continue;
    if (!user->home.starts_with('/') || !user->shell.starts_with('/')) std::abort();
    if (user->name.empty() || user->name.find('\0') != std::string::npos) std::abort();
    if (user->uid == static_cast<uid_t>(-1)) std::abort();
  }
  if (find_groups(text, "agent", 1000).size() > kGroupsMax) std::abort();
  ProcEntry entry;
  (void)parse_stat(text.data(), text.size(), entry);
  return 0;
}
