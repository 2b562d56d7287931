// Limits of the userspace processes, one a line: its unit, and what happens when it is reached.
// What the kernel side must agree on is in keelson_abi/limits.h. Constants only, any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace keelson {

// Bytes of one pool block: what one read or one TLS record fills.
inline constexpr size_t kBlockBytes = 16384;
// Blocks of one pool unless its owner says otherwise (64 MiB). More: `buffer_pool_empty`.
inline constexpr size_t kPoolBlocksMax = 4096;
// Free blocks that a pool keeps (512 KiB: two turns' worth); more go back to the allocator.
inline constexpr size_t kPoolIdleBlocksMax = 32;
// Views up to this many bytes are copied when chains move, so that a peer who sends single bytes
// cannot pin a block with each.
inline constexpr size_t kCopyBytesMax = 1024;
// Parts of one writev(2): two blocks short of a socket's usual send buffer would be wasted.
inline constexpr size_t kWriteParts = 32;
// Messages that wait in one mailbox. More: refused and counted, the sender decides.
inline constexpr size_t kMailboxMessagesMax = 4096;

// Connections taken per wakeup of a listener. More wait for the next turn of the loop.
inline constexpr int kAcceptsPerWake = 64;
// Pause of a listener when the process has no descriptor left; connections wait in the backlog.
inline constexpr std::chrono::milliseconds kAcceptPause{100};
// Connections that wait in a listener's queue.
inline constexpr int kListenBacklog = 4096;

// HTTP/1: bytes of start line and header lines together. More: `http_head_too_large`.
inline constexpr size_t kHttpHeadBytesMax = 65536;
// HTTP/1: header lines of one message, trailer lines of one message. More: `http_too_many_headers`.
inline constexpr size_t kHttpHeadersMax = 128;
// HTTP/1: bytes of the request target. More: `http_target_too_long`.
inline constexpr size_t kHttpTargetBytesMax = 8192;
// HTTP/1: bytes of one chunk line, extensions included. More: `http_bad_chunk`.
inline constexpr size_t kHttpChunkLineBytesMax = 256;
// HTTP/1: bytes of chunk extensions in one message. More: `http_bad_chunk`.
inline constexpr size_t kHttpChunkExtensionBytesMax = 16384;
// HTTP/1: bytes of all trailer lines of one message. More: `http_head_too_large`.
inline constexpr size_t kHttpTrailerBytesMax = 16384;
// HTTP/1: bytes that wait to be sent in a connection. More: the writer keeps its body.
inline constexpr size_t kHttpOutBytesMax = 65536;
// HTTP/1: 1xx answers before the final one. More: `http_informational_storm`.
inline constexpr int kHttpInformationalMax = 16;

// Proxy: bytes that one scheduler turn spends before the loop looks at its events again: some 150
// us, which is what a tenant that does little waits behind one that floods.
inline constexpr size_t kTurnBytes = 256u << 10;
// Proxy: what a tenant may spend per round of the scheduler; its debt carries over.
inline constexpr size_t kTenantQuantumBytes = 64u << 10;
// Proxy: what a run costs at least: some 10 us of system calls, in which 16 KiB are moved.
inline constexpr size_t kRunCostBytesMin = 16u << 10;
// Proxy: TLS handshakes begun per turn of a worker. More wait for the next turn.
inline constexpr int kHandshakesPerTurn = 8;
// Proxy: bytes that wait in one direction of a relayed connection. More: it stops reading.
inline constexpr size_t kRelayBufferBytesMax = 64u << 10;
// Proxy: share of a worker's pool that one tenant may fill (1/n). More: it stops reading.
inline constexpr size_t kTenantPoolShare = 4;
// Proxy: how often a connection that found no buffer tries again.
inline constexpr std::chrono::milliseconds kStarvedRetry{20};
// Proxy: connections of one namespace in one worker. More: `connection_limit`.
inline constexpr size_t kTenantConnectionsMax = 16384;
// Proxy: sockets in stock per pod, family and role below which more are fetched.
inline constexpr size_t kSocketStockLow = 8;
// Proxy: sockets of the first fetch; later ones ask for a whole batch (kSocketsPerRequestMax).
inline constexpr size_t kSocketStockFirst = 16;
// Proxy: a stock from which people wait may stay dry for so long: as hold is away while its
// container is replaced, or stands still. Longer: `socket_pool_empty`.
inline constexpr std::chrono::milliseconds kSocketWait{5000};
// Proxy: before hold is asked again for what it could not give.
inline constexpr std::chrono::milliseconds kSocketRetry{50};
// Proxy: connections that wait for a socket of one stock. More: `socket_pool_empty`. As many as a
// namespace may have: what was accepted waits its turn, hold makes thousands of sockets a second.
inline constexpr size_t kSocketWaitersMax = kTenantConnectionsMax;
// Proxy: connections to its ready port at once. More: the oldest is closed.
inline constexpr size_t kReadyAsksMax = 16;
// Proxy: bytes of a request's head there. More: it is closed without an answer.
inline constexpr size_t kReadyHeadBytesMax = 2048;
// Proxy: for a request there, its answer and the end of its connection. Longer: it is closed.
inline constexpr std::chrono::milliseconds kReadyAskTime{2000};
// Proxy: time for a connect() to an application. Longer: `connect_timeout`.
inline constexpr std::chrono::milliseconds kConnectTime{10000};
// Proxy: an HTTP connection of a client between two requests. Longer: it is closed (`http_idle`).
inline constexpr std::chrono::milliseconds kHttpIdleTime{3600000};
// Proxy: from the first byte of a request's head to its last. Longer: `http_head_timeout`.
inline constexpr std::chrono::milliseconds kHttpHeadTime{60000};
// Proxy: a request whose client sends nothing of its body, while nothing of an answer comes either.
// Longer: 408, or a reset when the answer has begun (`http_body_timeout`).
inline constexpr std::chrono::milliseconds kHttpBodyTime{300000};
// Proxy: while kernel, proxy and the other node do not agree on a pod yet, how often and for how
// many times its connection is tried again (1 s). Longer: 503, or a reset of what is no HTTP.
inline constexpr std::chrono::milliseconds kUnsettledRetry{20};
inline constexpr unsigned kUnsettledTriesMax = 50;
// Proxy: how long a client may take nothing of what waits for it. Longer: reset.
inline constexpr std::chrono::milliseconds kHttpStallTime{300000};
// Proxy: how long a client may take to read a last answer and end its side. Longer: reset.
inline constexpr std::chrono::milliseconds kHttpLingerTime{5000};
// Proxy: for so long before a drain's deadline, or for half of the drain where that is less, HTTP
// connections end where they are quiet, so that none is left to be reset (a client gets
// kHttpLingerTime to end its side).
inline constexpr std::chrono::seconds kDrainLastCall{5};
// Proxy: when nothing has followed an answer for so long, opaque TCP is taken to be quiet: from a
// drain's last call on it ends then. Shorter would cut answers that pause, longer would find no
// such moment on a connection with dozens of requests a second.
inline constexpr std::chrono::milliseconds kRelayQuietTime{20};
// Proxy: at the end of a drain, how long kept connections and tunnels may take to end in order.
inline constexpr std::chrono::milliseconds kDrainEndTime{2000};
// Proxy: HTTP connections kept for one pod and endpoint, and in all for one worker. More: closed,
// which costs a port of the pod for a minute (TIME_WAIT), and from some 10,000 of those on each
// connect(2) searches for milliseconds: so many are kept that this takes an unusual load.
inline constexpr size_t kUpstreamIdlePerKeyMax = 512;
inline constexpr size_t kUpstreamIdleMax = 2048;
// Proxy: how long an unused one is kept.
inline constexpr std::chrono::milliseconds kUpstreamIdleTime{60000};
// Proxy: how often they are looked at, and how long the other side may take to end its own side.
inline constexpr std::chrono::milliseconds kUpstreamSweepTime{5000};
// Proxy: text of access log lines that waits for the disk. More: lines are dropped and counted.
inline constexpr size_t kAccessLogBytesMax = 8u << 20;
// Proxy: how long a line may wait for others, to be written out with them.
inline constexpr std::chrono::milliseconds kAccessLogDelay{20};

// Proxy: denials that wait to be reported to the agent. More: counted as lost.
inline constexpr size_t kDenialsWaitingMax = 256;
// Proxy: how often it reports them.
inline constexpr std::chrono::milliseconds kDenialReportInterval{100};

}  // namespace keelson
