#pragma once
// The door beside the API through which people come into a sandbox with a key, as the API sees it.

#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/time.hpp"

namespace matrx {

// What a person needs to come in. Nobody keeps the private key but who asked for it.
struct AccessGrant {
  std::string private_key;  // as OpenSSH writes it into a file
  std::string username;     // names the sandbox and the end, and is valid with this key only
  std::uint16_t port = 0;
  std::string host_key;              // "ssh-ed25519 AAAA…", as in a known_hosts file
  std::string host_key_fingerprint;  // "SHA256:…"
  TimePoint expires_at;              // no one comes in after that
};

class AccessDoor {
 public:
  virtual ~AccessDoor() = default;

  // A fresh key for this sandbox and for nothing else, good for `lifetime`.
  virtual Result<AccessGrant> grant(const SandboxId& id, seconds lifetime) = 0;
};

}  // namespace matrx
