#pragma once
// The networks of sandboxes: how they are made, and whether one that is there is made so. Pure.

#include <string>
#include <string_view>

namespace matrx::docker {

// open: its sandboxes reach the internet. allowlist: nothing leaves it but what our own rules let
// out, and without them the host hides no address of it: answers find no way back.
enum class NetworkKind { open, allowlist };

// The body of POST /networks/create: a bridge of IPv4 on which containers cannot reach each other.
std::string network_body(std::string_view name, std::string_view installation, NetworkKind kind);

// Of what GET /networks/{name} shows: what keeps it from being one of those, as the rest of a
// sentence that begins with "The network x"; empty: nothing.
std::string network_problem(std::string_view shown, std::string_view installation,
                            NetworkKind kind);

// Whose it is; empty: nobody's that we know.
std::string read_network_owner(std::string_view shown);

}  // namespace matrx::docker
