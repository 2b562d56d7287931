// PodsInUse: the pods of this node for which something that the kernel captured may still have to
// dial. One that leaves the mesh meanwhile stays what it was, its sockets and its identity, until
// the last use ends: what was accepted is served. One thread: its worker's. Owns neither sockets
// nor connections, decides nothing.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string_view>

#include "proxy/serving_config.h"

namespace keelson::proxy {

class PodsInUse {
 public:
  using PodPtr = std::shared_ptr<const config::LocalPod>;
  // What was known of it last.
  struct Departed {
    PodPtr pod;
    ConfigLease config;
  };
  class Use {
   public:
    Use(PodsInUse& pods, uint64_t netns_cookie) : pods_(pods), netns_cookie_(netns_cookie) {}
    ~Use() { pods_.remove(netns_cookie_); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    PodsInUse& pods_;
    const uint64_t netns_cookie_;
  };

  // `on_unused`: a departed pod's last use has ended.
  explicit PodsInUse(std::function<void(const config::LocalPod&)> on_unused)
      : on_unused_(std::move(on_unused)) {}

  // `pod`: as `config`, the current one, has it. The use must not outlive this.
  std::unique_ptr<Use> add(const PodPtr& pod, const ConfigLease& config);
  // `now` is the current one from here on.
  void on_config(const ConfigLease& now);

  // Null: it is in the mesh, or nobody uses it, or it runs again in another namespace.
  const Departed* departed(uint64_t netns_cookie) const;
  bool has_departed(std::string_view uid) const;

 private:
  struct Entry {
    Departed known;
    size_t uses = 0;
    bool has_left = false;
  };
  void remove(uint64_t netns_cookie);

  const std::function<void(const config::LocalPod&)> on_unused_;
  std::map<uint64_t, Entry> entries_;  // by the pod's netns cookie
};

}  // namespace keelson::proxy
