#include "ssh/access_keys.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

#include "base/files.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "wire/access_name.hpp"

namespace matrx::ssh {
namespace {

constexpr std::size_t kSecretBytes = 32;

Error broken(const std::string& what) {
  return {Code::unavailable, "the SSH gateway cannot use " + what, {}};
}

Result<KeyHandle> make_key() {
  ssh_key key = nullptr;
  if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK) {
    return fail(Code::internal, "A key could not be made.");
  }
  return KeyHandle(key);
}

Result<std::string> private_text(ssh_key key) {
  char* text = nullptr;
  if (ssh_pki_export_privkey_base64(key, nullptr, nullptr, nullptr, &text) != SSH_OK) {
    return fail(Code::internal, "A key could not be written.");
  }
  const TextHandle owner(text);
  std::string written(text);
  while (written.ends_with("\n\n")) written.pop_back();
  return written;
}

// The blob of the wire in base64, as in a known_hosts file.
Result<std::string> public_text(ssh_key key) {
  char* text = nullptr;
  if (ssh_pki_export_pubkey_base64(key, &text) != SSH_OK) {
    return fail(Code::internal, "A key could not be written.");
  }
  const TextHandle owner(text);
  return std::string(text);
}

Result<std::string> fingerprint_of(ssh_key key) {
  unsigned char* hash = nullptr;
  std::size_t bytes = 0;
  if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &bytes) != SSH_OK) {
    return fail(Code::internal, "A key could not be read.");
  }
  const TextHandle text(ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, bytes));
  ssh_clean_pubkey_hash(&hash);
  if (!text) return fail(Code::internal, "A key could not be read.");
  return std::string(text.get());
}

Result<KeyHandle> read_or_make_host_key(const std::string& path) {
  TRY(kept, read_file(path, kSshKeyFileBytesMax));
  if (kept) {
    ssh_key key = nullptr;
    if (ssh_pki_import_privkey_base64(kept->c_str(), nullptr, nullptr, nullptr, &key) != SSH_OK) {
      return std::unexpected(broken(path + ": it holds no key; remove it, and a new one is made"));
    }
    return KeyHandle(key);
  }
  TRY(key, make_key());
  TRY(text, private_text(key.get()));
  CHECK_OK(replace_file(path, text));
  return std::move(key);
}

Result<std::string> read_or_make_secret(const std::string& path, Random& random) {
  TRY(kept, read_file(path, kSshKeyFileBytesMax));
  if (kept) {
    if (kept->size() != kSecretBytes) {
      return std::unexpected(broken(path + ": it is cut off; remove it, and a new one is made"));
    }
    return *std::move(kept);
  }
  std::array<unsigned char, kSecretBytes> bytes{};
  random.fill(bytes);
  std::string secret(bytes.begin(), bytes.end());
  CHECK_OK(replace_file(path, secret));
  return secret;
}

}  // namespace

Result<AccessKeys> AccessKeys::open(const std::string& folder, Random& random) {
  AccessKeys keys;
  TRY(host_key, read_or_make_host_key(folder + "/host_key"));
  keys.host_key_ = std::move(host_key);
  TRY(line, public_text(keys.host_key_.get()));
  keys.host_key_line_ = "ssh-ed25519 " + line;
  TRY(fingerprint, fingerprint_of(keys.host_key_.get()));
  keys.fingerprint_ = fingerprint;
  TRY(secret, read_or_make_secret(folder + "/access_secret", random));
  keys.secret_ = secret;
  return keys;
}

std::string AccessKeys::proof(const SandboxId& id, std::chrono::sys_seconds expires_at,
                              const std::string& public_key) const {
  const std::string said =
      id.text() + " " + std::to_string(expires_at.time_since_epoch().count()) + " " + public_key;
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned bytes = 0;
  HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
       reinterpret_cast<const unsigned char*>(said.data()), said.size(), mac.data(), &bytes);
  return hex_encode(std::span(mac).first(kAccessProofChars / 2));
}

Result<AccessGrant> AccessKeys::grant(const SandboxId& id, TimePoint expires_at) const {
  TRY(key, make_key());
  TRY(public_key, public_text(key.get()));
  TRY(private_key, private_text(key.get()));
  const auto ends = std::chrono::floor<seconds>(expires_at);
  const AccessName name{.sandbox = id, .expires_at = ends, .proof = proof(id, ends, public_key)};
  return AccessGrant{.private_key = std::move(private_key),
                     .username = encode_access_name(name),
                     .host_key = host_key_line_,
                     .host_key_fingerprint = fingerprint_,
                     .expires_at = ends};
}

Result<SandboxId> AccessKeys::check(std::string_view username, ssh_key key, TimePoint now) const {
  const auto refuse = [](const char* why) {
    return fail(Code::unauthenticated, "This key does not open anything here.", why);
  };
  const auto name = decode_access_name(username);
  if (!name) return refuse("no user name of ours");
  if (ssh_key_type(key) != SSH_KEYTYPE_ED25519) return refuse("another type of key");
  const auto public_key = public_text(key);
  if (!public_key) return refuse("a key that cannot be read");
  const std::string expected = proof(name->sandbox, name->expires_at, *public_key);
  if (!equals_in_constant_time(name->proof, expected)) return refuse("not our proof for this key");
  if (now >= name->expires_at) return refuse("the key has expired");
  return name->sandbox;
}

}  // namespace matrx::ssh
