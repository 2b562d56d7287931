// encode: RuntimeConfig and the small messages of the link -> payloads of frames (keelson.proto).
// The other direction of a configuration is Builder. Pure; any thread. Borrowed descriptors only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/reason.h"
#include "base/result.h"
#include "config/runtime_config.h"

namespace keelson::config {

inline constexpr uint32_t kLinkProtocolVersion = 1;

// What a full configuration needs beside the RuntimeConfig.
struct Descriptors {
  int socket_map = -1;  // ks_socket, read only
  int note_map = -1;    // ks_note
  // Sealed memfds with key material, by identity id; identities without one are peers'.
  std::unordered_map<uint64_t, int> key_material;
};

struct Payload {
  std::string bytes;
  std::vector<int> fds;  // borrowed from Descriptors
};

// Begin(full) … Commit, in as many payloads as descriptors and sizes ask for.
std::vector<Payload> encode_full(const RuntimeConfig& config, const Descriptors& descriptors);

struct Hello {
  uint32_t protocol = kLinkProtocolVersion;
  std::string version;
  uint32_t pid = 0;
  uint32_t workers = 0;
  bool has_gauge = false;  // its payload carries one descriptor: link/live_gauge.h
};

struct Nack {
  uint64_t generation = 0;
  Reason reason = Reason::none;
  std::string text;
};

struct Stats {
  std::vector<std::pair<Reason, uint64_t>> reasons;
  uint64_t connections_active = 0;
  uint64_t connections_total = 0;
  uint64_t tunnels_active = 0;
  uint64_t handshakes_total = 0;
  uint64_t bytes_sent_total = 0;
  uint64_t bytes_received_total = 0;
  uint64_t requests_total = 0;
};

// What policy refused or cut in the proxy.
struct Denial {
  WallTime time;
  Reason reason = Reason::none;
  std::string source, source_identity, source_address;
  std::string destination, destination_identity, destination_address;
  std::string policy;
  std::string service = {};  // "namespace/name" that was dialled; empty: not known
  bool is_request = false;   // of HTTP; else a connection or tunnel
};
struct Denials {
  std::vector<Denial> denials;
  uint64_t lost = 0;  // since the last report
  bool is_empty() const noexcept { return denials.empty() && lost == 0; }
};
inline constexpr size_t kDenialsPerReportMax = 32;  // so that a payload needs no memfd
inline constexpr size_t kDenialTextMax = 255;       // of each text; longer ones are cut

std::string encode_hello(const Hello& hello);
std::string encode_ack(uint64_t generation);
std::string encode_nack(const Nack& nack);
std::string encode_stats(const Stats& stats);
std::string encode_stats_request();
std::string encode_denials(const Denials& denials);
std::string encode_goodbye();

// What a proxy says to its agent; each payload may hold several.
struct ProxyMessages {
  std::optional<Hello> hello;
  std::optional<uint64_t> ack;
  std::optional<Nack> nack;
  std::optional<Stats> stats;
  Denials denials;
  bool goodbye = false;
};
// Error: message_malformed.
Result<ProxyMessages> decode_proxy_messages(std::string_view bytes);

}  // namespace keelson::config
