// Event: something that happened to a pod or a namespace, for people who ask Kubernetes about it
// (kubectl describe pod, kubectl get events). Plain data, any thread.
#pragma once

#include <string>

#include "model/objects.h"

namespace keelson::status {

struct Event {
  model::ObjectKey about;  // kPod or kNamespace
  std::string uid;         // of that object
  bool is_warning = false;
  std::string reason;  // "MeshJoined": one word, for machines
  std::string action;  // "Enrol": what was tried
  std::string note;    // for people
  friend auto operator<=>(const Event&, const Event&) = default;
};

}  // namespace keelson::status
