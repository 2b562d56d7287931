// What the CA asks of the world: who a token belongs to, which pods a node runs, where its roots
// lie. Kubernetes answers in a cluster (agent/ca/server/kube_*), a folder without one
// (agent/ca/server/folder_*), a fake in tests. Each call answers once, at once or later, on the
// caller's thread; the implementations bound the time. All outlive who asks them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ca/root_set.h"
#include "ca/sign_rules.h"

namespace keelson::ca {

class TokenReviewer {
 public:
  using Done = std::function<void(Result<ReviewedToken>)>;
  virtual ~TokenReviewer() = default;
  // Asks for `audience` by name. Error: nobody could be asked; a token that is no good is none.
  virtual void review(const std::string& token, const std::string& audience, Done done) = 0;
};

class PodLookup {
 public:
  using Done = std::function<void(Result<std::vector<PodRecord>>)>;
  virtual ~PodLookup() = default;
  // The pods of `ns` with this account that are bound to `node`, as of now: never from a cache that
  // may lag, because a pod that is gone must not speak. Error: nobody could be asked. Whoever asks
  // judges each pod again, so more than was asked for does no harm.
  virtual void pods_on(const std::string& node, const std::string& ns,
                       const std::string& service_account, Done done) = 0;
};

struct StoredRoots {
  RootFiles files;
  std::string version;  // of files and bundle together; opaque
  std::string bundle;   // as published; empty: nothing yet
  bool is_rotation_asked = false;
};

class RootStore {
 public:
  using Done = std::function<void(Result<void>)>;
  virtual ~RootStore() = default;
  virtual void load(std::function<void(Result<StoredRoots>)> done) = 0;
  // Both fail when what was loaded as `loaded` has changed meanwhile: another replica was faster.
  // save() replaces all files at once, and takes a wish for a rotation back.
  virtual void save(const StoredRoots& loaded, const RootFiles& files, Done done) = 0;
  virtual void publish(const StoredRoots& loaded, const std::string& bundle, Done done) = 0;
};

}  // namespace keelson::ca
