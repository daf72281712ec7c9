// POST /sandboxes/{id}/access: a key for the SSH gateway.

#include <algorithm>

#include "api/api.hpp"
#include "api/decode.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace matrx::api {
namespace {

// Where a client came to us, it comes to the gateway: "a.example:8000" → "a.example".
std::string host_of(const http::Request& request) {
  std::string_view host = request.headers.get("Host");
  if (host.starts_with('[')) {
    host = host.substr(1, host.find(']') - 1);
  } else {
    host = host.substr(0, host.find(':'));
  }
  return is_host_name(host) ? std::string(host) : "localhost";
}

AccessBody access_body(const SandboxId& id, AccessGrant grant, std::string host) {
  const std::string port = std::to_string(grant.port);
  AccessBody body{.private_key = std::move(grant.private_key),
                  .username = std::move(grant.username),
                  .host = std::move(host),
                  .port = grant.port,
                  .host_key_fingerprint = std::move(grant.host_key_fingerprint),
                  .expires_at = grant.expires_at};
  // OpenSSH leaves out the brackets where the port is its own.
  body.known_hosts =
      (grant.port == 22 ? body.host : "[" + body.host + "]:" + port) + " " + grant.host_key;
  // The host key comes with the command, so nobody is asked to believe it at first sight.
  body.ssh_command = "ssh -i " + id.text() + ".pem -p " + port +
                     " -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes"
                     " -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null"
                     " -o 'KnownHostsCommand=/bin/echo %H " +
                     grant.host_key + "' " + body.username + "@" + body.host;
  return body;
}

}  // namespace

Task<http::Response> Api::give_access(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  QueryReader query(context);
  const int ttl = query.integer("ttl_seconds", kSshKeySecondsDefault, 1, kSshKeySecondsMax);
  if (query.failed()) co_return query.response();
  if (settings_.access == nullptr) {
    const Error off{Code::unsupported,
                    "SSH is off here; whoever runs this orchestrator turns it on with "
                    "MATRX_SSH_PORT.",
                    {}};
    co_return error_response(off, context.request_id);
  }
  const auto row = co_await core_.inside().enter(*id, Entry::look, context.actor());
  if (!row) co_return error_response(row.error(), context.request_id);
  auto grant = settings_.access->grant(*id, seconds(ttl));
  if (!grant) co_return error_response(grant.error(), context.request_id);
  log::info("ssh access granted", {{"sandbox_id", id->text()},
                                   {"request_id", context.request_id},
                                   {"expires_at", to_rfc3339(grant->expires_at)},
                                   {"actor", context.actor().text}});
  std::string host =
      settings_.access_host.empty() ? host_of(context.request) : settings_.access_host;
  const AccessBody body = access_body(*id, *std::move(grant), std::move(host));
  auto response = json_response(200, access_schema().encode(body));
  response.headers.add("Cache-Control", "no-store");
  co_return response;
}

}  // namespace matrx::api
