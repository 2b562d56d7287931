#include "wanted_pods.h"

#include <gtest/gtest.h>

namespace keelson {
namespace {

using model::Kind;

class SelectPods : public ::testing::Test {
 protected:
  SelectPods() {
    model::Namespace ns;
    ns.meta.key = {Kind::kNamespace, "", "shop"};
    ns.meta.labels[std::string(model::kMeshLabel)] = "enabled";
    snapshot_.namespaces[ns.meta.key] = std::make_shared<const model::Namespace>(ns);
    pod_.meta.key = {Kind::kPod, "shop", "web"};
    pod_.meta.uid = "u1";
    pod_.node_name = "a";
    pod_.netns_path = "/run/netns/web";
    pod_.addresses = {IpAddress::parse("10.0.0.1").value()};
  }
  PodSelection select() {
    snapshot_.pods[pod_.meta.key] = std::make_shared<const model::Pod>(pod_);
    return select_pods(snapshot_, "a", sandboxes_);
  }

  model::Snapshot snapshot_;
  pods::Sandboxes sandboxes_;
  model::Pod pod_;
};

TEST_F(SelectPods, TakesAMeshedPodOfThisNode) {
  const PodSelection selection = select();
  ASSERT_EQ(selection.wanted.size(), 1u);
  EXPECT_EQ(selection.wanted[0].uid, "u1");
  EXPECT_EQ(selection.wanted[0].name, "shop/web");
  EXPECT_TRUE(selection.refused.empty());
}

TEST_F(SelectPods, LeavesOtherNodesFinishedAndOptedOutPodsAlone) {
  for (const auto& change : std::vector<std::function<void(model::Pod&)>>{
           [](model::Pod& pod) { pod.node_name = "b"; },
           [](model::Pod& pod) { pod.terminal = true; },
           [](model::Pod& pod) { pod.meta.labels[std::string(model::kMeshLabel)] = "disabled"; }}) {
    const model::Pod before = pod_;
    change(pod_);
    const PodSelection selection = select();
    EXPECT_TRUE(selection.wanted.empty());
    EXPECT_TRUE(selection.refused.empty());
    pod_ = before;
  }
}

// What an earlier agent enrolled would end if it were not wanted.
TEST_F(SelectPods, APodWhoseSandboxTellsNoNamespaceIsWantedAllTheSame) {
  sandboxes_.merge({{"s1", "u1", "", {}}}, sandboxes_.now());
  EXPECT_EQ(select().wanted.at(0).netns_path, pod_.netns_path) << "where the object knows it";
  pod_.netns_path.clear();
  pod_.addresses.clear();
  const PodSelection selection = select();
  ASSERT_EQ(selection.wanted.size(), 1u);
  EXPECT_EQ(selection.wanted[0].netns_path, "");
  EXPECT_TRUE(selection.refused.empty());
}

TEST_F(SelectPods, SaysWhyAMeshedPodCannotJoin) {
  pod_.host_network = true;
  EXPECT_EQ(select().refused.at(0).reason, Reason::host_network);
  pod_.host_network = false;
  pod_.netns_path.clear();
  EXPECT_EQ(select().refused.at(0).reason, Reason::netns_invalid);
  pod_.netns_path = "/run/netns/web";
  pod_.addresses.clear();
  EXPECT_EQ(select().refused.at(0).reason, Reason::address_mismatch);
}

TEST_F(SelectPods, TheSandboxKnowsNamespaceAndAddressesFirst) {
  pod_.netns_path.clear();
  pod_.addresses.clear();
  sandboxes_.attach({"s1", "u1", "/run/netns/cni-1", {IpAddress::parse("10.0.0.7").value()}});
  const PodSelection selection = select();
  ASSERT_EQ(selection.wanted.size(), 1u);
  EXPECT_EQ(selection.wanted[0].netns_path, "/run/netns/cni-1");
  EXPECT_EQ(selection.wanted[0].addresses, sandboxes_.of_pod("u1")->addresses);
}

// Found by review: anybody may write that annotation, and with another pod's uid got its namespace.
TEST_F(SelectPods, OnlyAMirrorPodIsKnownToTheRuntimeByItsHash) {
  const std::string hash = "0123456789abcdef0123456789abcdef";
  sandboxes_.attach({"s1", "victim", "/run/netns/cni-1", {IpAddress::parse("10.0.0.7").value()}});
  sandboxes_.attach({"s2", hash, "/run/netns/cni-2", {IpAddress::parse("10.0.0.8").value()}});
  const auto netns_with = [&](const std::string& config, const std::string& mirror) {
    pod_.meta.annotations = {{"kubernetes.io/config.hash", config},
                             {"kubernetes.io/config.mirror", mirror}};
    return select().wanted.at(0).netns_path;
  };
  EXPECT_EQ(netns_with(hash, hash), "/run/netns/cni-2");
  EXPECT_EQ(netns_with(hash, "other"), "/run/netns/web");
  EXPECT_EQ(netns_with("victim", "victim"), "/run/netns/web");
}

// The object of a pod whose sandbox was restarted has the old address until the kubelet has written
// the new one, which it does only after the start that waits for this.
TEST_F(SelectPods, AnOldAddressOfTheObjectDoesNotCount) {
  sandboxes_.attach({"s2", "u1", "/run/netns/cni-2", {IpAddress::parse("10.0.0.8").value()}});
  EXPECT_EQ(select().wanted.at(0).addresses.at(0), IpAddress::parse("10.0.0.8").value());
  sandboxes_.attach({"s3", "u1", "/run/netns/cni-3", {}});
  EXPECT_EQ(select().wanted.at(0).addresses, pod_.addresses);
}

}  // namespace
}  // namespace keelson
