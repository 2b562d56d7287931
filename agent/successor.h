// Successor: for an agent that a newer one has replaced: whether that one is still there. A
// roll-out that is undone, or whose new agent fails, would else leave the node to nobody: the old
// agent may not write any more, and only a fresh start takes the node over. Agent loop only.
#pragma once

#include <string>

#include "base/file_identity.h"

namespace keelson {

class Successor {
 public:
  // RUN_DIR/agent.sock, which the newer agent listens at.
  explicit Successor(std::string socket_path) : socket_path_(std::move(socket_path)) {}

  // Looks; at intervals of seconds. True when nobody has listened kMissesMax times in a row: longer
  // than the restart of a container takes. `own`: the socket of the asking agent, which is still
  // there when the newer one took the node and ended before it listened.
  bool is_gone(const FileIdentity& own);

  static constexpr int kMissesMax = 6;

 private:
  bool listens(const FileIdentity& own) const;

  const std::string socket_path_;
  int misses_ = 0;
};

}  // namespace keelson
