// What the container engine answers.

#include "adapters/docker/docker_messages.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace matrx;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)docker::read_inspect(text);
  (void)docker::read_list(text);
  (void)docker::read_event(text);
  (void)docker::read_created_id(text);
  (void)docker::read_message(text);
  (void)docker::read_listed(text, "net");
  (void)docker::read_network_owner(text);
  (void)docker::network_problem(text, "inst-1", docker::NetworkKind::allowlist);
  (void)docker::read_cpus(text);
  (void)docker::read_available_memory(text);
  (void)docker::read_bridge(text);
  return 0;
}
