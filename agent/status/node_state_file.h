// NodeStateFile: writes this node's NodeState into the shared folder (directory source). Only this
// node's agent writes NODE.yaml; readers see the old or the new file, never a part (rename).
// Writes nothing when the content is the one on disk, so that a restart changes nothing.
// Agent loop only; the file is small and local.
#pragma once

#include <string>

#include "status/node_state_writer.h"

namespace keelson::status {

class NodeStateFile final : public NodeStateWriter {
 public:
  // `folder` empty: this node stands alone and nothing is written.
  NodeStateFile(std::string folder, std::string node_name);

  // True when the file changed. Error: Reason::io_error, names the file.
  Result<bool> write(const model::NodeState& state) override;

 private:
  std::string folder_;
  std::string path_;
};

}  // namespace keelson::status
