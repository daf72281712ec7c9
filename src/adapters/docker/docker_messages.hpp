#pragma once
// Docker's JSON ⇄ our values. Pure; fuzzed (tests/fuzz/fuzz_docker_messages.cpp).

#include <optional>
#include <string>
#include <string_view>

#include "adapters/docker/docker_runtime.hpp"
#include "adapters/docker/egress_rules.hpp"

namespace matrx::docker {

inline constexpr std::string_view kSandboxLabel = "matrx.sandbox_id";
inline constexpr std::string_view kUserLabel = "matrx.user_id";
inline constexpr std::string_view kInstallationLabel = "matrx.installation";
inline constexpr std::string_view kEgressLabel = "matrx.egress_allow";  // an allowlist, with commas

// "matrx-sbx-0123456789ab"
std::string container_name(const SandboxId& id);

// The body of POST /containers/create. name_server: of a sandbox with an allowlist.
std::string create_body(const ContainerSpec& spec, const DockerSettings& settings,
                        std::string_view installation, std::string_view name_server = {});

// The network of sandboxes with an allowlist.
std::string allowlist_network(const DockerSettings& settings);

// GET /containers/{id}/json. internal: not what we know.
// The log of a container: frames of one byte for the stream, three zeros, four for the length (big
// endian), the text. Their texts in order, the last bytes_max of them, as valid UTF-8. A frame that
// is cut off counts as far as it goes.
std::string read_log_frames(std::string_view body, std::size_t bytes_max);

Result<Container> read_inspect(std::string_view body);

// The folder on the engine's host that holds what the container writes into its own layer. Empty:
// its storage driver keeps it otherwise.
std::string read_layer_folder(std::string_view inspected);

// GET /info: where the engine keeps its layers. Empty: it does not say.
std::string read_root_folder(std::string_view body);

// GET /containers/json.
Result<std::vector<Container>> read_list(std::string_view body);

// The same: those that run on this network, and have an allowlist.
Result<std::vector<ListedSandbox>> read_listed(std::string_view body, const std::string& network);

// One line of GET /events. Nothing where it is about something else.
std::optional<ContainerEvent> read_event(std::string_view line);

// {"Id": "…"} of a create.
Result<std::string> read_created_id(std::string_view body);

// Of GET /info: the processors of the engine's host.
std::optional<double> read_cpus(std::string_view body);

// Bytes, of /proc/meminfo.
std::optional<std::int64_t> read_available_memory(std::string_view meminfo);

// {"message": "…"} of an error; empty where there is none.
std::string read_message(std::string_view body);

// The filters parameter of a listing: {"label":["a=b"], …}, percent-encoded.
std::string label_filter(std::string_view installation);
std::string listed_filter(std::string_view installation);
std::string event_filter(std::string_view installation);

}  // namespace matrx::docker
