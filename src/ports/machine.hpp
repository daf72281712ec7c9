#pragma once
// The inside of a sandbox: its processes, files and ports. Everything that comes from there is
// hostile: an adapter bounds it and believes nothing of it.
//
// Errors of every method: unavailable = no agent to be reached (the container may be dead);
// timeout = it did not answer in time; invalid = what was asked for cannot be (unknown user, no
// such working directory, a folder where a file is asked for); forbidden = its user may not.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/byte_stream.hpp"
#include "base/ids.hpp"
#include "model/file_entry.hpp"
#include "model/process.hpp"

namespace matrx {

// Things that come one after the other, until there are no more. An error ends it, incomplete:
// unavailable where the sandbox has gone. At least every kMachinePing something comes, be it quiet.
template <class T>
class Series {
 public:
  virtual ~Series() = default;
  // Nothing: the end.
  virtual Task<Result<std::optional<T>>> next() = 0;
  // Ends a pending next() with an error.
  virtual void close() = 0;
};
using ProcessEvents = Series<ProcessEvent>;
using FileChanges = Series<FileChange>;

// Where to begin, and what to do when the reader is slow.
struct Follow {
  std::optional<std::uint64_t> since;  // an offset; none: only what is new. invalid: beyond the end
  bool may_skip = false;  // overtaken instead of making the process wait; gaps tell of it
};

// A path in the sandbox ("~" and relative ones start at the home), and who asks.
struct FilePlace {
  std::string user;  // empty: the sandbox's own
  std::string path;
};

struct FileDownload {
  std::unique_ptr<ByteSource> content;  // nothing: the range asked for is outside of it
  std::optional<std::uint64_t> bytes;   // of the content, where known before
  std::string range;                    // as in Content-Range, where part of it was asked for
};

struct Unpacked {
  std::int64_t entries = 0, bytes = 0;
};

class Machine {
 public:
  virtual ~Machine() = default;

  // --- Processes. not_found: no such process, or it has ended where a running one is needed.

  // Starts a process that outlives every stream on it. exhausted: too many. The first event is
  // start, the last one end.
  virtual Task<Result<std::unique_ptr<ProcessEvents>>> start_process(SandboxId id,
                                                                     ProcessStart start) = 0;
  // Another stream on it. exhausted: too many.
  virtual Task<Result<std::unique_ptr<ProcessEvents>>> follow_process(SandboxId id, ProcessKey key,
                                                                      Follow follow) = 0;
  // Running ones, and those that ended lately.
  virtual Task<Result<std::vector<ProcessInfo>>> list_processes(SandboxId id) = 0;
  // conflict: its input is closed. timeout: it does not read.
  virtual Task<Result<void>> send_input(SandboxId id, ProcessKey key, bool to_terminal,
                                        std::string bytes) = 0;
  virtual Task<Result<void>> close_input(SandboxId id, ProcessKey key) = 0;
  // signal: "TERM", "KILL" (the whole tree), "INT", "HUP", "QUIT", "USR1", "USR2".
  virtual Task<Result<void>> signal_process(SandboxId id, ProcessKey key, std::string signal) = 0;
  virtual Task<Result<void>> resize_terminal(SandboxId id, ProcessKey key, TerminalShape shape) = 0;

  // --- Files. not_found, conflict (exists), too_large (no space left).

  virtual Task<Result<FileEntry>> stat_file(SandboxId id, FilePlace place) = 0;
  // depth 1: what lies directly in it.
  virtual Task<Result<std::vector<FileEntry>>> list_folder(SandboxId id, FilePlace place,
                                                           int depth) = 0;
  virtual Task<Result<FileEntry>> make_folder(SandboxId id, FilePlace place) = 0;
  virtual Task<Result<FileEntry>> move_file(SandboxId id, FilePlace from, std::string to) = 0;
  // With all in it; what is gone already succeeds.
  virtual Task<Result<void>> remove_file(SandboxId id, FilePlace place) = 0;
  // range: as the HTTP header, "" for all of it.
  virtual Task<Result<FileDownload>> read_file(SandboxId id, FilePlace place,
                                               std::string range) = 0;
  // Parents are made; the name appears when all is there.
  virtual Task<Result<void>> write_file(SandboxId id, FilePlace place, ByteSource& content) = 0;
  // A folder as tar; unreadable things in it end it incomplete, or are left out.
  virtual Task<Result<FileDownload>> pack_folder(SandboxId id, FilePlace place,
                                                 bool skip_unreadable) = 0;
  // A tar (gzip: packed) into a folder. What was unpacked before an error stays.
  virtual Task<Result<Unpacked>> unpack(SandboxId id, FilePlace place, bool gzip,
                                        bool outside_links, ByteSource& content) = 0;
  virtual Task<Result<std::unique_ptr<FileChanges>>> watch_folder(SandboxId id, FilePlace place,
                                                                  bool recursive) = 0;

  // --- Network and usage.

  virtual Task<Result<std::vector<ListeningPort>>> list_ports(SandboxId id) = 0;
  // A connection to a port, also one bound to loopback. not_found: nobody listens there.
  // exhausted: too many are open.
  virtual Task<Result<std::unique_ptr<ByteStream>>> dial(SandboxId id, int port) = 0;
  virtual Task<Result<MachineUsage>> usage(SandboxId id) = 0;
};

}  // namespace matrx
