#pragma once
// Who may come in, and as whom we answer. Nothing is kept of a key that is given out: its user name
// carries the sandbox, the end and a MAC over both and the public key, made with a secret of this
// host. So there is no list to bound, to save and to clean; a restart forgets nothing.

#include <memory>
#include <string>

#include "base/error.hpp"
#include "base/random.hpp"
#include "ports/access.hpp"
#include "ssh/library.hpp"

namespace matrx::ssh {

class AccessKeys {
 public:
  // Host key and secret are made where the folder has none. unavailable: it cannot be read or
  // written, or has something else in it.
  static Result<AccessKeys> open(const std::string& folder, Random& random);

  // A new key; port and the like are left to the caller.
  Result<AccessGrant> grant(const SandboxId& id, TimePoint expires_at) const;

  // The sandbox into which this name leads with this key, now. unauthenticated: none; `internal`
  // says why, for the log only.
  Result<SandboxId> check(std::string_view username, ssh_key key, TimePoint now) const;

  ssh_key host_key() const { return host_key_.get(); }
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  std::string proof(const SandboxId& id, std::chrono::sys_seconds expires_at,
                    const std::string& public_key) const;

  KeyHandle host_key_;
  std::string host_key_line_, fingerprint_;
  std::string secret_;
};

}  // namespace matrx::ssh
