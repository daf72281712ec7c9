#pragma once
// Every bound of the system that is not a setting, with its unit and its reason.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace matrx {

using namespace std::chrono_literals;

// --- What callers may send ---------------------------------------------------------------------
inline constexpr std::size_t kUserIdCharsMax = 255;        // the contract's pattern
inline constexpr std::size_t kNameCharsMax = 100;          // shown in one line of a table
inline constexpr std::size_t kLabelsMax = 32;              // as many as a person can survey
inline constexpr std::size_t kLabelCharsMax = 256;         // key and value each
inline constexpr std::size_t kEnvVarsMax = 256;            // well under the kernel's argument limit
inline constexpr std::size_t kEnvBytesMax = 64 * 1024;     // all names and values together
inline constexpr std::size_t kConfigBytesMax = 64 * 1024;  // stored with every row
inline constexpr std::size_t kPathBytesMax = 4096;         // PATH_MAX
inline constexpr std::size_t kJsonBodyBytesMax = 1024 * 1024;  // a JSON request
inline constexpr std::size_t kExecStdinBytesMax = 768 * 1024;  // fits into a JSON request
inline constexpr int kTtlSecondsMin = 1;
inline constexpr int kExtendSecondsMin = 60;
inline constexpr int kListLimitDefault = 100;
inline constexpr int kListLimitMax = 1000;
inline constexpr int kEventsMax = 1000;  // of one sandbox, newest kept

// --- HTTP --------------------------------------------------------------------------------------
inline constexpr std::size_t kHeaderBytesMax = 16 * 1024;   // request line and all header lines
inline constexpr std::size_t kTargetBytesMax = 13 * 1024;   // a path of PATH_MAX, all escaped
inline constexpr std::size_t kServerConnectionsMax = 4096;  // descriptors are finite
inline constexpr std::size_t kServerSparesMax = 64;         // beyond them, for "is it alive?"
// Of one address, or one IPv6 network, that nobody knows yet: a browser has six of them.
inline constexpr std::size_t kServerStrangersOfSourceMax = 256;
inline constexpr auto kServerStrangerGrace = 1s;   // who has just come is about to say who he is
inline constexpr auto kServerDropsInterval = 60s;  // between two lines of the log about them
inline constexpr auto kHeaderTimeout = 10s;        // from first byte to end of header
inline constexpr auto kBodyTimeout = 30s;          // between two pieces of a body
inline constexpr auto kKeepAliveTimeout = 75s;     // idle between two requests
inline constexpr auto kWriteTimeout = 30s;         // a reader that takes nothing
inline constexpr auto kDrainTimeout = 10s;         // requests under way at shutdown

// --- Dashboard ---------------------------------------------------------------------------------
inline constexpr auto kSessionIdle = std::chrono::hours(12);  // a working day
inline constexpr auto kSessionMax = std::chrono::days(7);
inline constexpr std::size_t kSessionsMax = 1000;  // 300 bytes each
inline constexpr std::size_t kKeyCharsMax = 1024;
inline constexpr std::size_t kSessionBodyBytesMax = 16 * 1024;  // a key, escaped
inline constexpr std::size_t kKeyCharsMin = 12;                 // of a key in the settings

inline constexpr int kPortLinkSecondsDefault = 3600;
inline constexpr int kPortLinkSecondsMax = 24 * 3600;
inline constexpr std::size_t kPortLinksMax = 10'000;  // 300 bytes each

// Of a program behind a link or the proxy: a browser keeps 180 of a whole site, ours among them.
inline constexpr std::size_t kProgramCookiesMax = 16;
inline constexpr std::size_t kProgramCookieBytesMax = 4096;  // what browsers take
inline constexpr std::size_t kProgramCookieNameBytesMax = 128;
inline constexpr std::size_t kProgramCookiePlacesMax = 10'000;  // remembered; 3 KiB each at most

inline constexpr auto kReadyKept = 2s;          // an answer of /health/ready, for all who ask
inline constexpr auto kStorageReadyKept = 10s;  // of it, that the storage is there: each look costs

inline constexpr auto kWebSocketIdle = 60s;  // half of it: a ping; all of it: given up

inline constexpr int kInterimAnswersMax = 8;  // 1xx before an answer, to our client

// --- Log ---------------------------------------------------------------------------------------
inline constexpr std::size_t kLogHeldBytesMax = 4 * 1024 * 1024;  // for a reader that stands still
inline constexpr auto kLogCloseLimit = 2s;  // the last lines, to one that is behind

// --- Exec --------------------------------------------------------------------------------------
inline constexpr std::size_t kExecOutputBytesMax = 2 * 1024 * 1024;  // of stdout, of stderr
// Beyond the command's own timeout: the agent takes up to 10 s to start it on a busy host, and some
// to end it.
inline constexpr auto kExecAnswerMargin = 20s;
inline constexpr int kTimedOutExitCode = 124;  // as timeout(1) of coreutils

// --- Docker ------------------------------------------------------------------------------------
inline constexpr std::size_t kDockerConnectionsMax = 32;  // at once; more wait
inline constexpr std::size_t kDockerAnswerBytesMax = 32 * 1024 * 1024;
inline constexpr auto kDockerDeadline = 30s;                // one ordinary call
inline constexpr auto kDockerCreateDeadline = 120s;         // create and start, on a busy host
inline constexpr std::size_t kDockerCreatesAtOnceMax = 16;  // more only queue inside the engine

// --- Guest agent -------------------------------------------------------------------------------
inline constexpr auto kGuestReadyDeadline = 30s;  // container started → agent answers
inline constexpr auto kGuestCallDeadline = 10s;   // a call that starts nothing
inline constexpr auto kGuestLookDeadline = 1s;    // does it answer at all?
inline constexpr auto kGuestShutdownMargin = 3s;  // beyond the grace: the kill of what is left
inline constexpr std::size_t kGuestConnectionsMax = 256;  // execs of one sandbox at once; more wait
inline constexpr std::size_t kGuestIdleConnectionsMax = 4;  // kept per sandbox
// Of one sandbox's signals. Root in it is the other end, and each signal costs us an answer.
inline constexpr std::int64_t kSignalBytesPerSecond = 64 * 1024;
inline constexpr std::int64_t kSignalBytesReserve = 512 * 1024;  // two of the largest at once
inline constexpr std::int64_t kSignalCostMin = 2 * 1024;         // counts as much, however short
inline constexpr auto kHeartbeatInterval = 1s;  // between two that are written down
// Two outputs at their limit, each byte escaped as \u0000.
inline constexpr std::size_t kGuestAnswerBytesMax = 12 * kExecOutputBytesMax + 64 * 1024;

// --- Inside of sandboxes ---------------------------------------------------------------------
inline constexpr int kTerminalSideMax = 4096;  // columns, rows
inline constexpr int kListDepthMax = 10;       // folders in folders, of one listing
inline constexpr std::size_t kCopyErrorBytesMax = 4096;
inline constexpr auto kProxyIdle = 600s;  // of an answer under way; as E2B's proxy
inline constexpr std::size_t kTerminalMessageBytesMax = 256 * 1024;
inline constexpr auto kMachinePing = 15s;        // a stream that has nothing to say says so
inline constexpr auto kMachineSilenceMax = 45s;  // three of them missed
// A hundred at once on a busy host: the agent gives each of them 10 s, and answers itself.
inline constexpr auto kMachineStartDeadline = 60s;
inline constexpr auto kMachineFileDeadline = 60s;           // a folder moved, removed or listed
inline constexpr auto kMachineInputDeadline = 70s;          // beyond the agent's own, of 60 s
inline constexpr std::size_t kMachineProcessesMax = 2048;   // listed; the agent has 576
inline constexpr std::size_t kMachineEntriesMax = 100'000;  // of one listing of files
inline constexpr std::size_t kMachinePortsMax = 2048;       // listed; the agent has 1024
inline constexpr std::size_t kMachineAnswerBytesMax = 4 * 1024 * 1024;  // of one call
inline constexpr std::size_t kMachineMessageBytesMax = 256 * 1024;      // one of a stream

// --- SSH gateway -------------------------------------------------------------------------------
inline constexpr int kSshKeySecondsDefault = 3600;
inline constexpr int kSshKeySecondsMax = 24 * 3600;
inline constexpr std::size_t kSshKeyFileBytesMax = 16 * 1024;
inline constexpr std::size_t kSshConnectionsMax = 256;  // at once, of all sandboxes
inline constexpr std::size_t kSshConnectionsOfSandboxMax = 32;
inline constexpr std::size_t kSshStrangersMax = 32;          // that have not signed in yet
inline constexpr std::size_t kSshStrangersOfSourceMax = 16;  // of an address, or an IPv6 network
inline constexpr auto kSshStrangerGrace = 2s;                // to sign in, undisturbed
inline constexpr auto kSshLoginTimeout = 20s;       // from the connection to a key that fits
inline constexpr int kSshKeyTriesMax = 6;           // as OpenSSH's MaxAuthTries
inline constexpr std::size_t kSshChannelsMax = 64;  // of one connection: shells and forwards
inline constexpr std::size_t kSshCommandBytesMax = 100 * 1024;  // the kernel takes 128 KiB
inline constexpr std::size_t kSshSignalsMax = 16;               // that wait to be passed on
inline constexpr std::size_t kSshPieceBytes = 32 * 1024;        // written at once, of one channel
inline constexpr std::size_t kSshInputBytes = 128 * 1024;       // handed to a process at once
inline constexpr auto kSshRowInterval = 2s;  // how late the end of a sandbox may be noticed
inline constexpr auto kSshPartingTime = 2s;  // for the last words of a connection
inline constexpr auto kSshWake = 60s;        // a wait looks around, though nothing rang

// --- Usage and idleness ------------------------------------------------------------------------
inline constexpr auto kIdleInterval = 5s;             // how late idleness may be noticed
inline constexpr auto kUsageInterval = 15s;           // between two samples
inline constexpr std::size_t kUsageSamplesMax = 120;  // half an hour, 11 KB for each sandbox
inline constexpr std::size_t kSamplesAtOnceMax = 16;  // more wait
inline constexpr double kBusyCpuCores = 0.05;         // a shell that waits uses nothing
inline constexpr std::int64_t kBusyNetworkBytes = 64 * 1024;  // between two samples; ARP is less
inline constexpr auto kActivityWriteInterval = 15s;           // what a crash may forget of it
inline constexpr int kIdleSecondsMin = 30;
inline constexpr auto kIdleDecisionDeadline = 30s;  // a request waits for one that is being written
inline constexpr std::size_t kLogsBytesMax = 1024 * 1024;  // of one answer
inline constexpr int kLogLinesMax = 10'000;
inline constexpr int kLogLinesDefault = 1000;

// --- Core --------------------------------------------------------------------------------------
inline constexpr auto kExpiryInterval = 1s;          // how late an expiry may be noticed
inline constexpr int kDriveStepsMax = 16;            // next_step converges in 3
inline constexpr int kCasTriesMax = 8;               // a row under that much contention is a bug
inline constexpr std::size_t kDrivesAtOnceMax = 64;  // stops and repairs by the loops
inline constexpr auto kEndIsWrittenWithin = 15s;     // from its date on; beyond kDatabaseDeadline
inline constexpr int kDueAtOnceMax = 256;            // expiries looked at in one round
inline constexpr auto kDeathDeadline = 2s;           // broken connection → engine says ended
inline constexpr auto kDeathPause = 20ms;            // between two looks meanwhile
inline constexpr auto kCreateDeadline = 30min;       // of one create, however large the home
inline constexpr auto kExtendWait = 30s;             // for others that extend the same one
inline constexpr auto kReadySlice = 1s;              // between two looks at a slow start
inline constexpr auto kReconnectDelayMin = 100ms;    // event stream, signal channels
inline constexpr auto kReconnectDelayMax = 5s;
inline constexpr auto kClockStepMin = 1min;  // a host's clock that differs by more was set
inline constexpr auto kClockDoubt = std::chrono::hours(24);  // nothing is forgotten after that
inline constexpr auto kTaskRestartMin = 100ms;  // a loop that a bug has ended begins anew; doubles
inline constexpr auto kTaskRestartMax = 30s;
inline constexpr std::size_t kReportedStrangersMax = 1000;  // unregistered containers remembered

inline constexpr auto kIdempotencyWindow = std::chrono::hours(24);  // a key's repetition is known
inline constexpr std::size_t kIdempotencyKeyCharsMax = 255;

// --- Postgres ----------------------------------------------------------------------------------
inline constexpr int kDatabaseConnectionsDefault = 8;
inline constexpr auto kDatabaseConnectTimeout = 5s;  // of one address
inline constexpr auto kDatabaseDeadline = 10s;       // waiting for a connection and the answer
inline constexpr auto kDatabaseReconnectMax = 2s;    // between two tries to connect
inline constexpr auto kDatabaseSilence = 2s;         // a query without an answer casts doubt on all
inline constexpr auto kDatabaseKeepAlive = 5s;  // three times that without an answer: it is gone

// --- Homes -------------------------------------------------------------------------------------
inline constexpr std::size_t kHomeNodesMax = 1'000'000;
inline constexpr std::size_t kHomeNamesBytesMax = 64 * 1024 * 1024;  // paths, targets of links
// What has more than this is synced by few at a time over all users: each tree of it takes a
// hundred megabytes and more, and a sync has several.
inline constexpr std::size_t kOrdinaryHomeNodes = 50'000;
inline constexpr std::size_t kOrdinaryHomeNamesBytes = 8 * 1024 * 1024;
inline constexpr std::size_t kOrdinaryManifestBytes = 16 * 1024 * 1024;
inline constexpr int kOpenTriesMax = 16;  // where the kernel says: again
// Less than that may be a matter of how a file system counts blocks.
inline constexpr std::int64_t kHoleBytesMin = 64 * 1024;
inline constexpr std::size_t kCountedFoldersBytesMax = 16 * 1024 * 1024;  // names that wait
inline constexpr std::size_t kBrowserThreads = 4;         // that look at stored files for somebody
inline constexpr std::size_t kStoredEntriesMax = 10'000;  // of one folder, in one answer
inline constexpr std::size_t kStoredEntriesDefault = 1000;         // where the request says nothing
inline constexpr std::size_t kStoredPieceBytes = 4 * 1024 * 1024;  // of a file, on its way out
inline constexpr int kSyncTriesMax = 3;                            // of one sync; then later
inline constexpr auto kSyncRetryDelay = 500ms;                     // before the second try; doubles
inline constexpr auto kSyncDeadline = 24h;   // of one try; what it waits for has closer ones
inline constexpr auto kHomeSaveMin = 1s;     // a stop waits for the home at least that long
inline constexpr auto kHomeLockLease = 30s;  // of a user's home, over all orchestrators
inline constexpr auto kHomeLockRenewal = 10s;
inline constexpr auto kHomeLockRetry = 1s;      // after a renewal that was not answered
inline constexpr auto kHomeLockMargin = 10s;    // for what is on its way to the storage at its end
inline constexpr auto kCreateWait = 2min;       // a create, for its turn or a slot; then 503
inline constexpr auto kCheckpointLookMin = 1s;  // between two looks at which home is due
inline constexpr auto kCheckpointLookMax = 5s;
inline constexpr int kCheckpointYieldsMax = 3;  // to creates, one after the other
inline constexpr auto kCheckpointYieldPause = 5s;
inline constexpr auto kHomeLockWait = 60s;    // for another sync of the same user
inline constexpr auto kUnsavedWait = 30s;     // a create waits for homes that are being saved
inline constexpr auto kUnsavedBlocks = 5min;  // a save fails for so long: creates go on without
inline constexpr auto kUnsavedKept = std::chrono::days(30);  // a home that can never be saved
inline constexpr std::size_t kUnsavedOfUserMax = 3;  // homes that creates go on without; then none
inline constexpr auto kGiveUpWait = 30s;             // for a save that is under way
inline constexpr auto kCheckpointMax = 10min;    // what is not sent by then goes with the next one
inline constexpr auto kUnsavedInterval = 5s;     // between two looks at homes not saved yet
inline constexpr auto kClearDiskInterval = 30s;  // between two looks at what lies on the disk
inline constexpr auto kSaveRetryMin = 5s;        // between two saves of one home; doubles
inline constexpr auto kSaveRetryMax = 5min;
inline constexpr int kUnsavedAtOnceMax = 256;             // looked at in one round
inline constexpr std::size_t kSyncsAtOnceMax = 8;         // each way; more wait
inline constexpr std::size_t kLargeSyncsAtOnceMax = 2;    // of these
inline constexpr std::size_t kSentAtOnceFilesMax = 4000;  // then a checkpoint looks at the clock
inline constexpr std::size_t kSyncThreads = 2 * kSyncsAtOnceMax;  // none waits for another's disk
inline constexpr std::size_t kNodesInlineMax = 2000;  // a plan over more is made on another thread
inline constexpr std::size_t kManifestBytesMax = 256 * 1024 * 1024;  // about a million nodes
// A home at its limits, and as much again of others' changes beside it.
inline constexpr std::size_t kManifestNodesMax = 2 * kHomeNodesMax;
inline constexpr std::size_t kManifestNamesBytesMax = 2 * kHomeNamesBytesMax;

// --- Object store, through rclone ----------------------------------------------------------------
inline constexpr std::size_t kRcloneConnectionsMax = 48;  // two for each sync, and mounts
inline constexpr auto kRcloneStartDeadline = 10s;
inline constexpr auto kRcloneStartPause = 500ms;    // between two starts
inline constexpr auto kObjectReachDeadline = 20s;   // is it there at all?
inline constexpr auto kObjectCallDeadline = 60s;    // one small call
inline constexpr auto kObjectListDeadline = 5min;   // a listing; a million objects take under 1 min
inline constexpr auto kObjectStandstill = 5min;     // a transfer in which nothing moves is given up
inline constexpr auto kObjectProgressPoll = 5s;     // between two looks at whether anything moves
inline constexpr auto kObjectTransferMax = 24h;     // however well it moves
inline constexpr auto kObjectCopyDeadline = 20min;  // of one object, within the store
// An upload in parts that began so long ago is nobody's any more; what S3's own rules suggest.
inline constexpr auto kStaleUploadAge = std::chrono::hours(7 * 24);
inline constexpr auto kStaleUploadInterval = std::chrono::hours(24);  // between two looks
inline constexpr std::size_t kStagedFilesMax = 4000;
inline constexpr std::int64_t kStagedBytesMax = 512LL * 1024 * 1024;  // and one file more
inline constexpr int kObjectTransfers = 16;                           // at once, of one batch

// --- Cold storage ------------------------------------------------------------------------------
inline constexpr auto kColdMountDeadline = 30s;
inline constexpr auto kColdWatchInterval = 300ms;      // how late a dead mounter may be noticed
inline constexpr auto kColdRowsInterval = 5s;          // rows are compared with mounts, and told
inline constexpr auto kColdMendPauseMax = 5s;          // between two tries; doubles up to that
inline constexpr std::size_t kColdMendsAtOnceMax = 8;  // more wait
inline constexpr std::int64_t kColdCacheShareMin = 16LL * 1024 * 1024;  // of one user's cache
inline constexpr auto kColdCachePoll = 10s;   // how late a cache may be cut to its size
inline constexpr auto kColdRefusedPoll = 2s;  // is what was refused on its way by now?
inline constexpr std::size_t kMounterWordsBytesMax = 1024 * 1024;  // kept of what it complains of
inline constexpr auto kColdDirectoryTtl = 60s;  // how old another sandbox's listing may be
inline constexpr auto kColdWriteBack = 1s;      // a closed file is sent after that
inline constexpr auto kColdFlushMin = 1s;       // a stop waits for writes at least that long
inline constexpr auto kColdFlushLater = 20s;    // and later, without anybody waiting for it

// --- Several orchestrators, live feed -----------------------------------------------------------
inline constexpr auto kAnnounceInterval = 10s;   // "I am alive", to the others
inline constexpr auto kHostSilentAfter = 60s;    // six of them missed: it may be gone
inline constexpr auto kDesertedAfter = 5min;     // overdue and silent for so long: nobody's
inline constexpr auto kCaretakerInterval = 60s;  // retention, deserted rows
inline constexpr auto kCaretakerLease = 150s;    // over two rounds: the same one keeps it
inline constexpr int kCaretakerBatch = 500;      // rows in one statement
// How long beyond the retention a row is kept whose host has not come back to clean up.
inline constexpr auto kLostHostReturns = std::chrono::days(90);
inline constexpr int kFeedPageMax = 500;     // events read at once
inline constexpr auto kFeedPoll = 1s;        // how late an event may be without a notification
inline constexpr auto kFeedKeepAlive = 15s;  // proxies close what is silent for long
inline constexpr std::size_t kFeedReadersMax = 256;          // of GET /events, at once
inline constexpr std::size_t kFeedMemoryEventsMax = 10'000;  // kept by the store in memory
inline constexpr auto kForeignStopMargin = 10s;  // beyond the patience of a stop elsewhere

}  // namespace matrx
