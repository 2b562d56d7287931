// The text of a NodeState (keelson.dev/v1alpha1), as the agent writes it to the shared folder and
// other agents decode it. Canonical: equal objects give equal text. Pure, any thread.
//
//   apiVersion: keelson.dev/v1alpha1
//   kind: NodeState
//   metadata: {name: node-a}
//   pods:
//   - {uid: 6f1c, namespace: shop, name: web-1, serviceAccount: web, addresses: [10.0.1.2], state:
//   ready}
#pragma once

#include <string>

#include "model/objects.h"

namespace keelson::model {

// With `node_uid`, that of the Node object: owned by it, so that the garbage collector removes it
// when the node is gone. Such text is for the API server; a decoded object does not keep its owner.
std::string to_yaml(const NodeState& state, const std::string& node_uid = {});

}  // namespace keelson::model
