// Resource: one kind as the Kubernetes API serves it, and the targets (path and query) of the calls
// about it. Pure, any thread. Reference: Kubernetes API concepts, "Resource URIs", "Efficient
// detection of changes", "Streaming lists".
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace keelson::kube {

struct Resource {
  std::string_view kind = {};
  std::string_view group = {};        // empty: core
  std::string_view versions[2] = {};  // newest first; the second may be empty
  std::string_view plural = {};
  bool is_own_node_only = false;  // spec.nodeName is this node
  bool is_metadata_only = false;  // nothing else of it is read: asked for as partial objects
  bool is_optional = false;       // a custom kind: its definition may be missing
  bool has_status = false;        // its status is read
  // Objects of it only ever allow more: an agent that may not read it does without.
  bool is_dispensable = false;
  std::string api_version(size_t version) const;  // "discovery.k8s.io/v1"
};

// What the agent follows. Node is not among them: nothing reads it, and each kubelet renews its
// own.
std::span<const Resource> followed_resources() noexcept;

struct ListQuery {
  int limit = 500;  // 0: all at once
  std::string continue_token;
};
struct WatchQuery {
  std::string resource_version;
  bool sends_initial_events = false;  // a streaming list
  std::chrono::seconds time_limit{300};
};

// "/apis/GROUP/VERSION/PLURAL?..."; `node` for kinds of the own node only.
std::string list_target(const Resource& resource, size_t version, std::string_view node,
                        const ListQuery& query);
std::string watch_target(const Resource& resource, size_t version, std::string_view node,
                         const WatchQuery& query);
std::string object_target(const Resource& resource, size_t version, std::string_view ns,
                          std::string_view name);
// Where an object of that namespace is created.
std::string collection_target(const Resource& resource, size_t version, std::string_view ns);
std::string list_accept(const Resource& resource);
std::string watch_accept(const Resource& resource);

}  // namespace keelson::kube
