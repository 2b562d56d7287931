// NodeStateWriter: the seam through which an agent tells the others of its node's pods: a file in a
// shared folder (NodeStateFile), an object of the API server (NodeStateApply). Agent loop only.
#pragma once

#include "base/result.h"
#include "model/objects.h"

namespace keelson::status {

class NodeStateWriter {
 public:
  virtual ~NodeStateWriter() = default;
  // Called with the whole of it whenever it may have changed. True: it did, and is written or under
  // way. Error: it is not, and the caller tries again.
  virtual Result<bool> write(const model::NodeState& state) = 0;
};

}  // namespace keelson::status
