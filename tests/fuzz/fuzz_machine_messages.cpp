// What the agent says of processes, files, ports and usage; all of it may be a sandbox's own words.

#include <cstdlib>

#include "base/text.hpp"
#include "wire/machine_messages.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace matrx;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto check_text = [](const std::string& shown) {
    if (!utf8_length(shown)) std::abort();
  };
  const auto check_entry = [&](const FileEntry& entry) {
    for (const auto* one : {&entry.path, &entry.name, &entry.owner, &entry.group}) check_text(*one);
  };
  if (const auto event = machine::read_process_event(text)) {
    check_text(event->cwd);
    check_text(event->end.cwd);
  }
  if (const auto change = machine::read_file_change(text)) {
    check_text(change->name);
    if (change->entry) check_entry(*change->entry);
  }
  if (const auto all = machine::read_process_list(text)) {
    for (const ProcessInfo& info : *all) {
      for (const auto* one : {&info.tag, &info.command, &info.cwd, &info.user}) check_text(*one);
    }
  }
  if (const auto entry = machine::read_entry(text)) check_entry(*entry);
  if (const auto entries = machine::read_entries(text)) {
    for (const FileEntry& entry : *entries) check_entry(entry);
  }
  if (const auto ports = machine::read_ports(text)) {
    for (const ListeningPort& port : *ports) {
      if (port.port < 0 || port.port > 65'535) std::abort();
      for (const auto* one : {&port.address, &port.user, &port.process}) check_text(*one);
    }
  }
  (void)machine::read_usage(text);
  (void)machine::read_unpacked(text);
  const Error error = machine::read_plain_error(static_cast<int>(size % 700), text);
  check_text(error.message);
  return 0;
}
