// encode: RuntimeConfig and the small messages of the link -> payloads of frames (keelson.proto).
// The other direction of a configuration is Builder. Pure; any thread. Borrowed descriptors only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

std::string encode_hello(const Hello& hello);
std::string encode_ack(uint64_t generation);
std::string encode_nack(const Nack& nack);
std::string encode_stats(const Stats& stats);
std::string encode_stats_request();

// What a proxy says to its agent; each payload may hold several.
struct ProxyMessages {
  std::optional<Hello> hello;
  std::optional<uint64_t> ack;
  std::optional<Nack> nack;
  std::optional<Stats> stats;
};
// Error: message_malformed.
Result<ProxyMessages> decode_proxy_messages(std::string_view bytes);

}  // namespace keelson::config
