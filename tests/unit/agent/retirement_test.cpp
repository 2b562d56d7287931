#include "retirement.h"

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace keelson {
namespace {

using model::Kind;
using Phase = Retirement::Phase;

// The agent's own pod a-1 of DaemonSet d-1, and a meshed pod of an application beside it.
class RetirementTest : public testing::Test {
 protected:
  RetirementTest() {
    model::Pod own;
    own.meta.key = {Kind::kPod, "keelson-system", "keelson-agent-x"};
    own.meta.uid = "a-1";
    own.service_account = "keelson-agent";
    own.controller_uid = "d-1";
    add(own);
    model::Pod web;
    web.meta.key = {Kind::kPod, "shop", "web"};
    web.meta.uid = "u-1";
    add(web);
    model::Namespace shop;
    shop.meta.key = {Kind::kNamespace, "", "shop"};
    shop.meta.labels[std::string(model::kMeshLabel)] = "enabled";
    snapshot_.namespaces[shop.meta.key] = std::make_shared<const model::Namespace>(shop);
    model::AuthorizationPolicy policy;
    policy.meta.key = {Kind::kAuthorizationPolicy, "shop", "nobody"};
    snapshot_.authorization_policies[policy.meta.key] =
        std::make_shared<const model::AuthorizationPolicy>(policy);
    model::PeerAuthentication strict;
    strict.meta.key = {Kind::kPeerAuthentication, "shop", "strict"};
    snapshot_.peer_authentications[strict.meta.key] =
        std::make_shared<const model::PeerAuthentication>(strict);
    annotate(std::nullopt);
  }
  void add(const model::Pod& pod) {
    snapshot_.pods[pod.meta.key] = std::make_shared<const model::Pod>(pod);
  }
  void annotate(std::optional<std::string> value, const std::string& ns = "keelson-system") {
    model::ServiceAccount account;
    account.meta.key = {Kind::kServiceAccount, ns, "keelson-agent"};
    if (value) account.meta.annotations[std::string(model::kUninstallAnnotation)] = *value;
    snapshot_.service_accounts[account.meta.key] =
        std::make_shared<const model::ServiceAccount>(account);
  }
  bool is_meshed(const model::Snapshot& snapshot) const {
    return model::is_meshed(snapshot, *snapshot.pods.at({Kind::kPod, "shop", "web"}));
  }
  void look() { retirement_.look(std::make_shared<const model::Snapshot>(snapshot_)); }
  void pass(std::chrono::milliseconds time) {
    clock_.advance(time);
    look();
  }

  test::FakeClock clock_;
  model::Snapshot snapshot_;
  Retirement retirement_{clock_, "a-1"};
};

TEST_F(RetirementTest, OnlyItsOwnDaemonSetsUidOnItsOwnAccountIsMeant) {
  const auto asked = [this](const std::string& pod = "a-1") {
    return uninstalled_daemon_set(snapshot_, pod);
  };
  EXPECT_EQ(asked(), "");
  annotate("d-1", "elsewhere");
  EXPECT_EQ(asked(), "");
  annotate("d-0");  // of an installation before this one
  EXPECT_EQ(asked(), "");
  annotate("");
  EXPECT_EQ(asked(), "");
  annotate("d-1");
  EXPECT_EQ(asked(), "d-1");
  EXPECT_EQ(asked("u-1"), "");
  EXPECT_EQ(asked("a-2"), "");  // its Pod is not known
  EXPECT_EQ(asked(""), "");     // an agent that is no pod
}

TEST_F(RetirementTest, APodWithoutAControllerIsNeverMeant) {
  model::Pod own = *snapshot_.pods.at({Kind::kPod, "keelson-system", "keelson-agent-x"});
  own.controller_uid.clear();
  add(own);
  annotate("");
  EXPECT_EQ(uninstalled_daemon_set(snapshot_, "a-1"), "");
}

TEST_F(RetirementTest, FirstNobodyRefusesThenTheyLeave) {
  look();
  EXPECT_FALSE(retirement_.is_asked());
  EXPECT_EQ(retirement_.view()->authorization_policies.size(), 1u);
  EXPECT_FALSE(retirement_.next_look());

  annotate("d-1");
  look();
  EXPECT_EQ(retirement_.phase(), Phase::kOpening);
  EXPECT_EQ(retirement_.daemon_set(), "d-1");
  EXPECT_TRUE(retirement_.view()->authorization_policies.empty());
  EXPECT_TRUE(retirement_.view()->peer_authentications.empty());
  EXPECT_TRUE(is_meshed(*retirement_.view()));
  EXPECT_EQ(retirement_.next_look(), clock_.now() + Retirement::kOpenTime);
  pass(Retirement::kOpenTime - std::chrono::milliseconds(1));
  EXPECT_EQ(retirement_.phase(), Phase::kOpening);

  pass(std::chrono::milliseconds(1));
  EXPECT_EQ(retirement_.phase(), Phase::kLeaving);
  EXPECT_TRUE(retirement_.view()->authorization_policies.empty());
  EXPECT_FALSE(is_meshed(*retirement_.view()));
}

// Found by review: it took all labelled pods in, only to take them out again two seconds later.
TEST_F(RetirementTest, AnAgentThatStartsMeanwhileTakesNobodyIn) {
  annotate("d-1");
  look();
  EXPECT_EQ(retirement_.phase(), Phase::kLeaving);
  EXPECT_FALSE(is_meshed(*retirement_.view()));
}

TEST_F(RetirementTest, TheNodeIsClearedWhenAllAreOutOrPatienceEnds) {
  look();
  annotate("d-1");
  look();
  EXPECT_FALSE(retirement_.may_clear(true));  // nobody has left yet
  pass(Retirement::kOpenTime);
  EXPECT_TRUE(retirement_.may_clear(true));
  EXPECT_FALSE(retirement_.may_clear(false));
  EXPECT_EQ(retirement_.next_look(), clock_.now() - Retirement::kOpenTime + Retirement::kPatience);
  pass(Retirement::kPatience - Retirement::kOpenTime);
  EXPECT_TRUE(retirement_.may_clear(false));
  retirement_.on_cleared();
  EXPECT_TRUE(retirement_.is_cleared());
  EXPECT_FALSE(retirement_.may_clear(true));
  EXPECT_FALSE(retirement_.next_look());
}

TEST_F(RetirementTest, ThereIsNoWayBack) {
  annotate("d-1");
  look();
  annotate(std::nullopt);
  pass(Retirement::kOpenTime);
  EXPECT_EQ(retirement_.phase(), Phase::kLeaving);
  EXPECT_FALSE(is_meshed(*retirement_.view()));
  retirement_.on_cleared();
  look();
  EXPECT_TRUE(retirement_.is_cleared());
}

TEST_F(RetirementTest, WhatIsShownStaysTheSameObjectUntilSomethingChanges) {
  const auto same = std::make_shared<const model::Snapshot>(snapshot_);
  retirement_.look(same);
  EXPECT_EQ(retirement_.view(), same);
  annotate("d-1");
  const auto asked = std::make_shared<const model::Snapshot>(snapshot_);
  retirement_.look(asked);
  const auto shown = retirement_.view();
  retirement_.look(asked);
  EXPECT_EQ(retirement_.view(), shown);
}

TEST_F(RetirementTest, APodThatComesMeanwhileIsNotMeshedEither) {
  annotate("d-1");
  look();
  pass(Retirement::kOpenTime);
  model::Pod late;
  late.meta.key = {Kind::kPod, "shop", "late"};
  late.meta.labels[std::string(model::kMeshLabel)] = "enabled";
  add(late);
  look();
  EXPECT_FALSE(model::is_meshed(*retirement_.view(),
                                *retirement_.view()->pods.at({Kind::kPod, "shop", "late"})));
}

}  // namespace
}  // namespace keelson
