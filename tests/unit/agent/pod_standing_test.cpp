#include "pod_standing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keelson {
namespace {

using State = cni::Standing::State;
using testing::HasSubstr;

class PodStandingTest : public ::testing::Test {
 protected:
  PodStandingTest() {
    ns_.meta.key = {model::Kind::kNamespace, "", "shop"};
    ns_.meta.labels[std::string(model::kMeshLabel)] = "enabled";
    pod_.meta.key = {model::Kind::kPod, "shop", "web"};
    pod_.meta.uid = "u1";
    pod_.node_name = "a";
  }
  cni::Standing look() {
    snapshot_ = {};
    if (has_namespace_)
      snapshot_.namespaces[ns_.meta.key] = std::make_shared<const model::Namespace>(ns_);
    if (has_pod_) snapshot_.pods[pod_.meta.key] = std::make_shared<const model::Pod>(pod_);
    return pod_standing({snapshot_, node_, refused_, problems_, node_error_, rollout_waits_for_,
                         [this](const std::string&) { return state_; },
                         [this](const model::Pod&) { return has_identity_; }},
                        {"shop", "web", asked_});
  }

  model::Snapshot snapshot_;
  model::Namespace ns_;
  model::Pod pod_;
  bool has_namespace_ = true;
  bool has_pod_ = true;
  std::string node_ = "a";
  std::string asked_ = "u1";  // by the plugin
  std::vector<RefusedPod> refused_;
  std::vector<pods::EnrolmentProblem> problems_;
  std::optional<Error> node_error_;
  std::string rollout_waits_for_;
  bool has_identity_ = true;
  model::PodState state_ = model::PodState::kJoining;
};

TEST_F(PodStandingTest, AReadyPodIsEnrolled) {
  state_ = model::PodState::kReady;
  EXPECT_EQ(look().state, State::kEnrolled);
}

TEST_F(PodStandingTest, OneWithoutACertificateSaysSo) {
  has_identity_ = false;
  pod_.service_account = "web";
  EXPECT_EQ(look().state, State::kWaiting);
  EXPECT_EQ(look().step, "no certificate yet for service account shop/web");
}

TEST_F(PodStandingTest, WhatIsNotLabelledNeedNotWait) {
  ns_.meta.labels.clear();
  EXPECT_EQ(look().state, State::kNotMeshed);
  pod_.meta.labels[std::string(model::kMeshLabel)] = "disabled";
  has_namespace_ = false;
  EXPECT_EQ(look().state, State::kNotMeshed);
}

TEST_F(PodStandingTest, AnUnreadPodOrNamespaceIsWaitedFor) {
  has_namespace_ = false;
  EXPECT_EQ(look().state, State::kWaiting);
  EXPECT_THAT(look().step, HasSubstr("Namespace shop"));
  has_pod_ = false;
  EXPECT_THAT(look().step, HasSubstr("has not read Pod shop/web with uid u1"));
}

// Its namespace decides about it: without that one it started outside the mesh.
TEST_F(PodStandingTest, ALabelThatMeansNothingDoesNotReplaceTheNamespaces) {
  pod_.meta.labels[std::string(model::kMeshLabel)] = "true";
  has_namespace_ = false;
  EXPECT_EQ(look().state, State::kWaiting);
  EXPECT_THAT(look().step, HasSubstr("Namespace shop"));
}

// A StatefulSet's next pod has the name of the last one, which may have been opted out.
TEST_F(PodStandingTest, AnEarlierPodOfThatNameIsAnother) {
  pod_.meta.uid = "u0";
  pod_.meta.labels[std::string(model::kMeshLabel)] = "disabled";
  EXPECT_EQ(look().state, State::kWaiting);
}

TEST_F(PodStandingTest, AStaticPodIsKnownByItsManifestsHash) {
  pod_.meta.uid = "uid-of-the-mirror";
  asked_ = "0123456789abcdef0123456789abcdef";
  for (const char* name : {"kubernetes.io/config.hash", "kubernetes.io/config.mirror"})
    pod_.meta.annotations[name] = asked_;
  state_ = model::PodState::kReady;
  EXPECT_EQ(look().state, State::kEnrolled);
}

TEST_F(PodStandingTest, AnotherNodesPodSaysWhichNameIsWrong) {
  pod_.node_name = "b";
  EXPECT_THAT(look().step, HasSubstr("node 'b', not to 'a'"));
}

TEST_F(PodStandingTest, HostNetworkIsNotHeldUp) {
  refused_ = {{"shop", "web", "u1", Reason::host_network, "spec.hostNetwork"}};
  EXPECT_EQ(look().state, State::kNotMeshed);
}

TEST_F(PodStandingTest, NamesTheStepThatItWaitsFor) {
  rollout_waits_for_ = "the proxy acknowledges";
  EXPECT_EQ(look().step, "the proxy acknowledges");
  EXPECT_THAT(look().fix, HasSubstr("keelson-l7"));
  node_error_ = Error{Reason::hold_unreachable, ErrorSource::kInternal, true, 0, "hold.sock"};
  EXPECT_THAT(look().step, HasSubstr("hold.sock"));
  problems_ = {{"u1", "shop/web", {Reason::address_mismatch, ErrorSource::kKube, true, 0, "10.1"}}};
  EXPECT_THAT(look().step, HasSubstr("10.1"));
  EXPECT_EQ(look().state, State::kWaiting);
}

TEST_F(PodStandingTest, AFullNodeRefuses) {
  problems_ = {{"u1",
                "shop/web",
                {Reason::pod_slots_exhausted, ErrorSource::kConfig, false, 0, "all are used"}}};
  EXPECT_EQ(look().state, State::kRefused);
}

}  // namespace
}  // namespace keelson
