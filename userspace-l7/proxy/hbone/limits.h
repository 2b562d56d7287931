// Limits of HBONE, one a line: its unit, and what happens when it is reached. Constants only.
// Times and windows are ztunnel's unless said otherwise (reference/ambient-cilium-kmesh.md 1.2).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/limits.h"

namespace keelson::hbone {

inline constexpr uint16_t kHbonePort = 15008;

// A peer that says nothing is asked after this time,
inline constexpr std::chrono::seconds kPingInterval{10};
// and given up when it has not answered after that: `hbone_ping_timeout`.
inline constexpr std::chrono::seconds kPingPatience{20};
// TLS handshake of an accepted connection: `hbone_handshake_timeout`.
inline constexpr std::chrono::seconds kHandshakePatience{10};
// TCP connect and TLS handshake of a new connection: `hbone_handshake_timeout`.
inline constexpr std::chrono::seconds kConnectPatience{10};
// From CONNECT to its answer; the peer's own connect takes up to 10 s: `hbone_answer_timeout`.
inline constexpr std::chrono::seconds kAnswerPatience{15};
// A pooled connection without tunnels is closed after this time.
inline constexpr std::chrono::minutes kIdleRelease{5};
// After our end was sent, how long the peer may take to send its own; then reset.
inline constexpr std::chrono::seconds kClosePatience{5};

// Until frames are made again after the worker's block pool was empty.
inline constexpr std::chrono::milliseconds kMemoryRetry{10};

// Received bytes that a peer may have under way in one tunnel. ztunnel announces 4 MiB; a slow
// reader pins what we announce, so we say less: 512 KiB carries 5 Gbit/s at 0.8 ms round trip and
// still 84 Mbit/s at 50 ms.
inline constexpr uint32_t kStreamWindowBytes = 512u << 10;
// In one connection (ztunnel: 16 MiB): four slow readers do not yet stop the fifth, because this
// window is opened on receipt while the tenant's budget has room.
inline constexpr uint32_t kConnectionWindowBytes = 2u << 20;
// A connection that holds less than this has its window opened even when the budget has no room:
// another connection's slow reader must not stop it for ever.
inline constexpr size_t kConnectionBytesMin = 64u << 10;
// Bytes that wait to be framed in one tunnel. More: write() refuses.
inline constexpr size_t kTunnelSendBytesMax = 64u << 10;
// Plain bytes framed ahead of TLS in one connection. More: framing waits.
inline constexpr size_t kFramedBytesMax = 64u << 10;
// Tunnels that a client opens on one connection, or fewer if the peer says so. More: another one.
inline constexpr uint32_t kClientTunnelsMax = 100;
// Tunnels that a peer may open on one connection to us (SETTINGS_MAX_CONCURRENT_STREAMS).
inline constexpr uint32_t kServerTunnelsMax = 200;
// Header list of an answer (client) and of a request (server); more: the stream is reset.
inline constexpr uint32_t kAnswerHeaderBytesMax = 16u << 10;
inline constexpr uint32_t kRequestHeaderBytesMax = 64u << 10;

// Tunnels that wait for a new connection of one key, as many as a namespace may have: a pod that
// opens thousands at once waits for its handshakes. More: `hbone_queue_full`.
inline constexpr size_t kPoolWaitersMax = kTenantConnectionsMax;
// Pooled connections of one source pod. More: `hbone_connection_limit`.
inline constexpr size_t kPoolConnectionsPerPodMax = 256;
// Other connections that a CONNECT is tried on when its peer refused it unprocessed.
inline constexpr int kPoolRetriesMax = 2;

}  // namespace keelson::hbone
