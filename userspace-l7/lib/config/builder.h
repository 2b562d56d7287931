// Builder: change sets of the wire (keelson.proto) -> RuntimeConfig. A change set is applied as a
// whole at its Commit or not at all; the last good configuration stays. Identities bring their key
// material as descriptors of sealed memfds. One thread (the proxy's link thread).
// Only builder.cpp and encode.cpp see generated types.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "config/runtime_config.h"

namespace keelson::config {

// The kernel maps that come with the node resource.
struct ProxyMaps {
  Fd sockets;  // ks_socket, read only
  Fd notes;    // ks_note
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
  // Reads a sealed memfd (link/memfd.h does).
  using SealedReader = std::function<Result<std::string>(const Fd& memfd)>;

  explicit Builder(SealedReader read_sealed);
  ~Builder();

  // Error (message_malformed): the packet is no packet of this protocol; drop the connection.
  Result<PacketOutcome> on_packet(std::string_view bytes, std::vector<Fd> fds);
  // A new connection: a change set that an earlier one left unfinished is forgotten.
  void on_connected();

 private:
  struct Draft;
  struct Reader;

  SealedReader read_sealed_;
  std::unique_ptr<Draft> draft_;
};

}  // namespace keelson::config
