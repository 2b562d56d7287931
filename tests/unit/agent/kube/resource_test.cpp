#include "kube/resource.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace keelson::kube {
namespace {

const Resource& resource(std::string_view kind) {
  return *std::ranges::find(followed_resources(), kind, &Resource::kind);
}

TEST(Resource, ListsAreCutIntoPagesAndPodsAreThisNodesOnly) {
  EXPECT_EQ(list_target(resource("Service"), 0, "n1", {}), "/api/v1/services?limit=500");
  EXPECT_EQ(list_target(resource("Pod"), 0, "node 1", {.limit = 0, .continue_token = ""}),
            "/api/v1/pods?limit=0&fieldSelector=spec.nodeName%3Dnode%201");
  EXPECT_EQ(list_target(resource("HTTPRoute"), 1, "n1", {.limit = 5, .continue_token = "a+/="}),
            "/apis/gateway.networking.k8s.io/v1beta1/httproutes?limit=5&continue=a%2B%2F%3D");
}

TEST(Resource, WatchesGoOnFromAVersionOrSendWhatThereIs) {
  EXPECT_EQ(watch_target(resource("EndpointSlice"), 0, "n1",
                         {.resource_version = "7", .time_limit = std::chrono::seconds(9)}),
            "/apis/discovery.k8s.io/v1/endpointslices?watch=true&allowWatchBookmarks=true"
            "&timeoutSeconds=9&resourceVersion=7");
  EXPECT_EQ(watch_target(resource("NodeState"), 0, "n1",
                         {.resource_version = "", .sends_initial_events = true}),
            "/apis/keelson.dev/v1alpha1/nodestates?watch=true&allowWatchBookmarks=true"
            "&timeoutSeconds=300&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
}

TEST(Resource, OneObjectHasItsOwnPath) {
  EXPECT_EQ(object_target(resource("NodeState"), 0, "", "n1"),
            "/apis/keelson.dev/v1alpha1/nodestates/n1");
  EXPECT_EQ(object_target(resource("HTTPRoute"), 0, "shop", "pay"),
            "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/pay");
}

TEST(Resource, KindsOfWhichOnlyMetadataIsReadAreAskedForInPart) {
  EXPECT_EQ(list_accept(resource("Namespace")),
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json");
  EXPECT_EQ(watch_accept(resource("Service")), "application/json");
}

}  // namespace
}  // namespace keelson::kube
