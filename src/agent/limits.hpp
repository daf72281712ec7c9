#pragma once
// Every bound of the guest agent, with its unit and its reason.

#include <chrono>
#include <cstddef>

namespace matrx::agent {

using namespace std::chrono_literals;

// --- Processes ---------------------------------------------------------------------------------
inline constexpr std::size_t kTreesMax = 4096;  // supervised commands, two descriptors each
inline constexpr auto kStartDeadline = 10s;     // fork → execve, on a busy machine
inline constexpr auto kKillAnswerWait = 1s;     // an answer waits that long for the kill
inline constexpr auto kKillFallback = 2s;       // then the supervisor itself is killed
inline constexpr std::size_t kDrainBytesMax =
    2 * 1024 * 1024;                             // written before an end, read after it
inline constexpr auto kKillDeadline = 5s;        // then whoever still lives is reported
inline constexpr auto kKillPause = 5ms;          // between two rounds of a kill
inline constexpr int kStopRoundsMax = 64;        // a fork bomb must not hold us for ever
inline constexpr int kOrphanRoundsMax = 50;      // of a supervisor that was killed
inline constexpr auto kTermGrace = 5s;           // SIGTERM to the agent → SIGKILL to all
inline constexpr auto kShutdownGraceMax = 300s;  // what a caller may ask for

// --- Buffered exec -----------------------------------------------------------------------------
inline constexpr std::size_t kExecBodyBytesMax = 4 * 1024 * 1024;     // command, env, base64 stdin
inline constexpr std::size_t kExecOutputBytesMax = 16 * 1024 * 1024;  // what a caller may ask for
inline constexpr std::size_t kCwdBytesMax = 4096;                     // PATH_MAX
inline constexpr auto kExecTimeoutMax = 24h;
inline constexpr std::size_t kEnvVarsMax = 1024;    // of one request
inline constexpr std::size_t kArgumentsMax = 4096;  // of one request

// --- Pipes -------------------------------------------------------------------------------------
inline constexpr std::size_t kReadBytes = 64 * 1024;  // a full pipe at once
inline constexpr auto kDiscardPause = 10ms;           // a background writer nobody listens to

// --- Streamed processes ------------------------------------------------------------------------
inline constexpr std::size_t kProcessesMax = 512;         // running
inline constexpr std::size_t kTerminalsMax = 64;          // of these, with a terminal
inline constexpr int kTerminalSideMax = 4096;             // columns, rows
inline constexpr std::size_t kChunkBytesMax = 32 * 1024;  // the protocol's bound of a data event
inline constexpr std::size_t kTerminalChunkBytesMax = 16 * 1024;  // the same, of a terminal
inline constexpr std::size_t kRingBytesMax = 4 * 1024 * 1024;     // output kept of one process
inline constexpr std::size_t kRingBytesMin = 128 * 1024;          // also where the next is used up
inline constexpr std::size_t kRingsBytesMax = 64 * 1024 * 1024;   // of all processes together
inline constexpr std::size_t kRingBlockBytes = 64 * 1024;         // a step in which a ring grows
inline constexpr std::size_t kReadersMax = 16;                    // streams on one process
inline constexpr auto kInputDeadline = 60s;   // a program that does not read its stdin
inline constexpr auto kEndedKept = 10min;     // an ended process stays connectable, output and all
inline constexpr std::size_t kEndedMax = 64;  // of these, the newest
inline constexpr std::size_t kEndedBytesMax = 8 * 1024 * 1024;  // and their output
inline constexpr std::size_t kRpcBodyBytesMax = 4 * 1024 * 1024;
inline constexpr std::size_t kTagBytesMax = 256;
inline constexpr auto kPingDefault = 90s;
inline constexpr auto kPingMax = 3600s;
inline constexpr auto kHangUpLook = 1s;  // how late a client that has gone may be noticed

// --- Files ---------------------------------------------------------------------------------------
inline constexpr std::size_t kFileThreads = 4;              // file operations at once; more wait
inline constexpr std::size_t kListEntriesMax = 50'000;      // of one ListDir, 300 bytes each
inline constexpr int kListDepthMax = 128;                   // folders in folders, a descriptor each
inline constexpr std::size_t kOpenLevelsMax = 32;           // folders kept open by a removal
inline constexpr std::size_t kFilePieceBytes = 256 * 1024;  // of a file in memory, each way
inline constexpr std::size_t kMetadataMax = 64;             // X-Metadata-… of one upload
inline constexpr std::size_t kArchiveDepthMax = 256;        // folders in folders, a descriptor each
inline constexpr std::size_t kArchiveFoldersMax = 20'000;   // that get their time at the end
inline constexpr std::size_t kWatchesMax = 64;              // watched folders, with those in them
inline constexpr std::size_t kWatchedFoldersMax = 8192;     // of one watch; the kernel counts, too
inline constexpr std::size_t kWatchQueueBytesMax = 4 * 1024 * 1024;  // told to nobody yet
inline constexpr std::size_t kWatchBatch = 256;                      // events in one go
inline constexpr std::size_t kHalfUploadsMax = 4096;  // of one watch: left, and not arrived yet
inline constexpr auto kHalfUploadKept = 1s;           // it went elsewhere
inline constexpr auto kWatcherKept = 1h;              // one that nobody asks any more

// --- Metrics -------------------------------------------------------------------------------------
inline constexpr std::size_t kKernelFileBytesMax = 512 * 1024;  // net/tcp: 150 bytes a socket
inline constexpr auto kCpuSampleMin = 200ms;                    // below it a percentage is noise

// --- Ports -----------------------------------------------------------------------------------
inline constexpr std::size_t kListenersMax = 1024;
inline constexpr std::size_t kTunnelsMax = 256;
inline constexpr std::size_t kTunnelBufferBytes = 32 * 1024;  // each way
inline constexpr auto kDialDeadline = 5s;                     // loopback answers at once, or never
inline constexpr auto kTunnelIdle = 600s;  // the protocol's, client-contracts §1.5
inline constexpr auto kTunnelLook = 5s;    // how late that may be noticed

// --- Signals to the orchestrator ---------------------------------------------------------------
inline constexpr std::size_t kSignalsWaitingMax = 64;
inline constexpr auto kSignalReplyDeadline = 10s;
inline constexpr auto kSignalPing = 20s;
inline constexpr std::size_t kSignalBodyBytesMax = 64 * 1024;

// --- Files of the image ------------------------------------------------------------------------
inline constexpr std::size_t kEtcFileBytesMax = 1024 * 1024;  // passwd, group
inline constexpr std::size_t kGroupsMax = 256;                // supplementary groups of a user

}  // namespace matrx::agent
