// KubeSource over CurlClient against kube-standin: the real wire, real time, one loop.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "io/timer.h"
#include "kube/access.h"
#include "rest/curl_client.h"
#include "source/kube/kube_source.h"
#include "support/kube_standin.h"

namespace keelson::source {
namespace {

using std::chrono::milliseconds;

std::string service(const std::string& name, int port = 80) {
  return R"({"apiVersion":"v1","kind":"Service","metadata":{"name":")" + name +
         R"(","namespace":"shop"},"spec":{"ports":[{"port":)" + std::to_string(port) + "}]}}\n";
}
std::string policy(const std::string& name) {
  return R"({"apiVersion":"security.istio.io/v1","kind":"AuthorizationPolicy","metadata":{"name":")" +
         name + R"(","namespace":"shop"},"spec":{}})" + "\n";
}
std::string pod(const std::string& name, const std::string& node) {
  return R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name +
         R"(","namespace":"shop"},"spec":{"nodeName":")" + node + "\"}}\n";
}

class KubeStandinTest : public testing::Test {
 protected:
  KubeStandinTest() {
    standin_.load(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}})"
                  "\n");
  }
  void start() {
    auto server = kube::kubeconfig_server(standin_.kubeconfig(), clock_);
    ASSERT_TRUE(server) << server.error().message();
    client_.emplace(loop_, clock_, std::move(*server));
    source_.emplace(Reflector::Seams{*client_, clock_, [] { return 0.0; }, "n1"},
                    [this] { arm(); });
    ASSERT_TRUE(source_->start([this](std::vector<FileChange> changes) {
      ++deliveries_;
      for (FileChange& change : changes) {
        ++changes_;
        if (change.state == FileChange::State::kGone)
          files_.erase(change.file);
        else
          files_[change.file] = std::move(change.text);
      }
    }));
  }
  void arm() {
    if (const auto next = source_->next_wake())
      timer_.start(
          std::max(std::chrono::ceil<milliseconds>(*next - clock_.now()), milliseconds(0)));
  }
  // Runs the loop until it holds; the watchdog ends a test that waits in vain.
  bool run_until(const std::function<bool()>& holds) {
    bool is_late = false;
    io::Timer watchdog(loop_, [&] { is_late = true; });
    watchdog.start(std::chrono::seconds(20));
    while (!holds() && !is_late) loop_.run_once();
    return holds();
  }
  bool run_until_known(const std::string& file) {
    return run_until([&] { return files_.contains(file); });
  }
  ReflectorState kind(std::string_view name) {
    for (ReflectorState& state : source_->state().kinds)
      if (state.kind == name) return state;
    return {};
  }

  SystemClock clock_;
  test::KubeStandin standin_;
  io::EventLoop loop_;
  io::Timer timer_{loop_, [this] {
                     source_->wake();
                     arm();
                   }};
  std::optional<rest::CurlClient> client_;
  std::optional<KubeSource> source_;
  std::map<std::string, std::string> files_;
  size_t deliveries_ = 0, changes_ = 0;
};

TEST_F(KubeStandinTest, EverythingIsListedOnceOverOneConnectionAndThenFollowed) {
  standin_.load(service("pay") + policy("p") + pod("web", "n1") + pod("far", "n2"));
  start();
  ASSERT_TRUE(run_until([&] { return deliveries_ == 1; }));
  EXPECT_TRUE(files_.contains("Service shop/pay"));
  EXPECT_TRUE(files_.contains("AuthorizationPolicy shop/p"));
  EXPECT_TRUE(files_.contains("Pod shop/web"));
  EXPECT_FALSE(files_.contains("Pod shop/far"));
  EXPECT_THAT(standin_.counts(), testing::HasSubstr("HTTP/2.0"));
  standin_.load(service("cart"));
  EXPECT_TRUE(run_until_known("Service shop/cart"));
  standin_.request("DELETE", "/api/v1/namespaces/shop/services/cart");
  EXPECT_TRUE(run_until([&] { return !files_.contains("Service shop/cart"); }));
  for (const ReflectorState& each : source_->state().kinds) {
    EXPECT_TRUE(each.is_watching) << each.kind;
    EXPECT_TRUE(each.errors.empty()) << each.kind;
  }
}

TEST_F(KubeStandinTest, AServerWithoutStreamingListsIsReadInPages) {
  standin_.steer("PUT", "/standin/settings", R"({"streaming_lists":false})");
  std::string objects;
  for (int i = 0; i < 1201; ++i) objects += service("s" + std::to_string(i));
  standin_.load(objects);
  start();
  ASSERT_TRUE(run_until([&] { return deliveries_ == 1; }));
  EXPECT_EQ(kind("Service").objects, 1201u);
  standin_.load(service("cart"));
  EXPECT_TRUE(run_until_known("Service shop/cart"));
}

TEST_F(KubeStandinTest, AnExpiredWatchIsRelistedWithoutADelivery) {
  standin_.load(service("pay") + service("cart"));
  start();
  ASSERT_TRUE(run_until([&] { return deliveries_ == 1; }));
  const size_t before = changes_;
  standin_.expire("services");
  ASSERT_TRUE(
      run_until([&] { return kind("Service").relists == 1 && kind("Service").is_watching; }));
  EXPECT_EQ(changes_, before);
}

TEST_F(KubeStandinTest, WhatWasDeletedWhileTheServerWasAwayIsGoneAfterwards) {
  standin_.load(service("pay") + service("cart"));
  start();
  ASSERT_TRUE(run_until([&] { return deliveries_ == 1; }));
  standin_.request("DELETE", "/api/v1/namespaces/shop/services/cart");
  standin_.refuse_for(milliseconds(700));
  ASSERT_TRUE(run_until([&] { return source_->state().away_since.has_value(); }));
  EXPECT_TRUE(files_.contains("Service shop/pay"));
  ASSERT_TRUE(run_until(
      [&] { return !source_->state().away_since && !files_.contains("Service shop/cart"); }));
  EXPECT_TRUE(files_.contains("Service shop/pay"));
}

TEST_F(KubeStandinTest, ThrottledFaultyAndTornWatchesRecover) {
  standin_.load(service("pay"));
  standin_.add_fault(
      R"({"kind":"services","verb":"watch","action":"status","status":429,"retry_after":1,"times":1})");
  start();
  ASSERT_TRUE(run_until([&] { return deliveries_ == 1; }));
  EXPECT_EQ(kind("Service").errors.at(Reason::api_overloaded), 1u);
  for (const char* action : {"torn", "garbage", "gone", "reset"}) {
    standin_.add_fault(R"({"kind":"services","verb":"event","action":")" + std::string(action) +
                       R"(","times":1})");
    standin_.load(service(action));
    EXPECT_TRUE(run_until_known("Service shop/" + std::string(action))) << action;
  }
}

TEST_F(KubeStandinTest, AReferenceGrantArrivesAndGoes) {
  start();
  ASSERT_TRUE(run_until([&] { return deliveries_ == 1; }));
  standin_.load(
      R"({"apiVersion":"gateway.networking.k8s.io/v1","kind":"ReferenceGrant","metadata":)"
      R"({"name":"g","namespace":"shop"},"spec":{"from":[{"group":"gateway.networking.k8s.io",)"
      R"("kind":"HTTPRoute","namespace":"web"}],"to":[{"group":"","kind":"Service"}]}})"
      "\n");
  ASSERT_TRUE(run_until_known("ReferenceGrant shop/g"));
  standin_.request("DELETE",
                   "/apis/gateway.networking.k8s.io/v1/namespaces/shop/referencegrants/g");
  EXPECT_TRUE(run_until([&] { return !files_.contains("ReferenceGrant shop/g"); }));
}

TEST_F(KubeStandinTest, AMissingKindHoldsNothingUp) {
  standin_.hide("httproutes.gateway.networking.k8s.io");
  standin_.hide("referencegrants.gateway.networking.k8s.io");
  start();
  ASSERT_TRUE(run_until([&] { return deliveries_ == 1; }));
  for (const char* name : {"HTTPRoute", "ReferenceGrant"}) {
    EXPECT_TRUE(kind(name).is_missing) << name;
    EXPECT_TRUE(kind(name).errors.empty()) << name;
  }
}

}  // namespace
}  // namespace keelson::source
