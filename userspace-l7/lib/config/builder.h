// Builder: change sets of the wire (keelson.proto) -> RuntimeConfig. A change set is applied as a
// whole at its Commit or not at all; the last good configuration stays. Identities bring their key
// material as descriptors of sealed memfds. One thread (the proxy's link thread).
// The only other file that sees generated types is encode.cpp.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "config/runtime_config.h"

namespace keelson::config {

inline constexpr uint32_t kLinkProtocolVersion = 1;
inline constexpr size_t kPacketBytesMax = 60 * 1024;  // larger entries travel in a sealed memfd
inline constexpr size_t kDetachedBytesMax = 64 << 20;

// The kernel maps that come with the node resource.
struct ProxyMaps {
  Fd sockets;  // ks_socket, read only
  Fd notes;    // ks_note
};

struct Hello {
  uint32_t protocol = kLinkProtocolVersion;
  std::string version;
  uint32_t pid = 0;
  uint32_t workers = 0;
};

// What a packet asked for, beside changing the draft.
struct PacketOutcome {
  std::shared_ptr<const RuntimeConfig> committed;  // a Commit made this
  std::optional<ProxyMaps> maps;                   // new map descriptors arrived
  bool stats_wanted = false;
  // A change set that cannot be applied: answer with a Nack and go on.
  std::optional<Error> refused;
  uint64_t refused_generation = 0;
};

class Builder {
 public:
  Builder();
  ~Builder();

  // Error (message_malformed): the packet is no packet of this protocol; drop the connection.
  Result<PacketOutcome> on_packet(std::string_view bytes, std::vector<Fd> fds);
  // A new connection: its first change set must be full.
  void on_connected();

 private:
  struct Draft;
  std::unique_ptr<Draft> draft_;
  std::shared_ptr<const RuntimeConfig> current_;
};

}  // namespace keelson::config
