#pragma once
// Connecting to a socket that a sandbox could have replaced.

#include <filesystem>

#include "http/stream.hpp"

namespace matrx {

// A connected descriptor. unavailable: there is no socket, or it is none of a listening agent.
// exhausted: the agent is busy; try again soon.
Result<int> connect_guest_socket(const std::filesystem::path& run_folder);

// The same as a connector; the run folder is looked up anew for each connection.
http::Connector guest_connector(std::filesystem::path run_folder);

}  // namespace matrx
