#include "kube/resource.h"

#include <array>

#include "base/percent_encoding.h"

namespace keelson::kube {
namespace {

constexpr auto kFollowed = std::to_array<Resource>({
    {.kind = "Namespace", .versions = {"v1"}, .plural = "namespaces", .is_metadata_only = true},
    {.kind = "Pod",
     .versions = {"v1"},
     .plural = "pods",
     .is_own_node_only = true,
     .has_status = true},
    {.kind = "Service", .versions = {"v1"}, .plural = "services"},
    {.kind = "ServiceAccount",
     .versions = {"v1"},
     .plural = "serviceaccounts",
     .is_metadata_only = true},
    {.kind = "EndpointSlice",
     .group = "discovery.k8s.io",
     .versions = {"v1"},
     .plural = "endpointslices"},
    {.kind = "AuthorizationPolicy",
     .group = "security.istio.io",
     .versions = {"v1", "v1beta1"},
     .plural = "authorizationpolicies",
     .is_optional = true},
    {.kind = "PeerAuthentication",
     .group = "security.istio.io",
     .versions = {"v1", "v1beta1"},
     .plural = "peerauthentications",
     .is_optional = true},
    {.kind = "HTTPRoute",
     .group = "gateway.networking.k8s.io",
     .versions = {"v1", "v1beta1"},
     .plural = "httproutes",
     .is_optional = true},
    {.kind = "ReferenceGrant",
     .group = "gateway.networking.k8s.io",
     .versions = {"v1", "v1beta1"},
     .plural = "referencegrants",
     .is_optional = true,
     .is_dispensable = true},
    {.kind = "NodeState",
     .group = "keelson.dev",
     .versions = {"v1alpha1"},
     .plural = "nodestates",
     .is_optional = true},
});

std::string base(const Resource& resource, size_t version) {
  return (resource.group.empty() ? "/api/" : "/apis/") + resource.api_version(version) + "/";
}

std::string selector(const Resource& resource, std::string_view node) {
  if (!resource.is_own_node_only) return "";
  return "&fieldSelector=" + percent_encoded("spec.nodeName=" + std::string(node));
}

std::string accept(const Resource& resource, const std::string& form) {
  if (!resource.is_metadata_only) return "application/json";
  return "application/json;as=" + form + ";g=meta.k8s.io;v=v1,application/json";
}

}  // namespace

std::string Resource::api_version(size_t version) const {
  return (group.empty() ? "" : std::string(group) + "/") + std::string(versions[version]);
}

std::span<const Resource> followed_resources() noexcept {
  return kFollowed;
}

std::string list_target(const Resource& resource, size_t version, std::string_view node,
                        const ListQuery& query) {
  std::string target = base(resource, version) + std::string(resource.plural) +
                       "?limit=" + std::to_string(query.limit) + selector(resource, node);
  if (!query.continue_token.empty()) target += "&continue=" + percent_encoded(query.continue_token);
  return target;
}

std::string watch_target(const Resource& resource, size_t version, std::string_view node,
                         const WatchQuery& query) {
  std::string target = base(resource, version) + std::string(resource.plural) +
                       "?watch=true&allowWatchBookmarks=true" + selector(resource, node) +
                       "&timeoutSeconds=" + std::to_string(query.time_limit.count());
  if (query.sends_initial_events)
    target += "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
  if (!query.resource_version.empty())
    target += "&resourceVersion=" + percent_encoded(query.resource_version);
  return target;
}

std::string object_target(const Resource& resource, size_t version, std::string_view ns,
                          std::string_view name) {
  return collection_target(resource, version, ns) + "/" + percent_encoded(name);
}

std::string collection_target(const Resource& resource, size_t version, std::string_view ns) {
  std::string target = base(resource, version);
  if (!ns.empty()) target += "namespaces/" + percent_encoded(ns) + "/";
  return target + std::string(resource.plural);
}

std::string list_accept(const Resource& resource) {
  return accept(resource, "PartialObjectMetadataList");
}

std::string watch_accept(const Resource& resource) {
  return accept(resource, "PartialObjectMetadata");
}

}  // namespace keelson::kube
