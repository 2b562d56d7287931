#include "ca/server/kube_seams.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ca/server/pod_text.h"
#include "document/parse.h"
#include "support/fake_rest.h"

namespace keelson::ca {
namespace {

using Json = nlohmann::json;
using Phase = PodRecord::Phase;

template <class T>
auto into(std::optional<Result<T>>& got) {
  return [&got](Result<T> answer) { got = std::move(answer); };
}

TEST(KubeTokens, AsksForTheAudienceAndReadsWhatTheApiServerVouchesFor) {
  test::FakeRest api;
  KubeTokens tokens(api);
  std::optional<Result<ReviewedToken>> got;
  tokens.review("a.b.c", "keelson-ca", into(got));
  const auto call = api.call("/apis/authentication.k8s.io/v1/tokenreviews");
  EXPECT_EQ(call->method, "POST");
  EXPECT_EQ(Json::parse(call->body),
            (Json{{"apiVersion", "authentication.k8s.io/v1"},
                  {"kind", "TokenReview"},
                  {"spec", {{"token", "a.b.c"}, {"audiences", {"keelson-ca"}}}}}));
  api.answer("tokenreviews", 201, R"({"status":{"authenticated":true,
    "user":{"username":"system:serviceaccount:keelson-system:keelson-agent",
      "extra":{"authentication.kubernetes.io/node-name":["n1"],
               "authentication.kubernetes.io/pod-name":["p"],
               "authentication.kubernetes.io/pod-uid":["u"]}},
    "audiences":["keelson-ca"]}})");
  ASSERT_TRUE(got && *got);
  const auto caller = judge_token(**got, {});
  ASSERT_TRUE(caller) << caller.error().message();
  EXPECT_EQ(caller->node, "n1");
}

TEST(KubeTokens, AnAnswerWithoutAClearYesIsANo) {
  for (const char* status :
       {R"({"status":{}})", R"({})", R"({"status":{"authenticated":"true"}})",
        R"({"status":{"authenticated":false,"error":"expired","audiences":["keelson-ca"]}})",
        R"({"status":null})"}) {
    test::FakeRest api;
    KubeTokens tokens(api);
    std::optional<Result<ReviewedToken>> got;
    tokens.review("t", "keelson-ca", into(got));
    api.answer("tokenreviews", 200, status);
    ASSERT_TRUE(got && *got);
    EXPECT_FALSE((*got)->authenticated) << status;
  }
}

TEST(KubeTokens, AnApiServerThatIsAwayOrRefusesIsAnError) {
  test::FakeRest api;
  KubeTokens tokens(api);
  std::optional<Result<ReviewedToken>> got;
  tokens.review("t", "keelson-ca", into(got));
  api.fail("tokenreviews");
  EXPECT_EQ(got->error().reason, Reason::cannot_reach);
  tokens.review("t", "keelson-ca", into(got));
  api.answer("tokenreviews", 403, R"({"kind":"Status","reason":"Forbidden"})");
  EXPECT_EQ(got->error().reason, Reason::api_forbidden);
  tokens.review("t", "keelson-ca", into(got));
  api.answer("tokenreviews", 200, "<html>");
  EXPECT_EQ(got->error().reason, Reason::api_answer_malformed);
}

TEST(KubePods, AsksForTheNodesPodsOfTheAccountAsOfNow) {
  test::FakeRest api;
  KubePods pods(api);
  std::optional<Result<std::vector<PodRecord>>> got;
  pods.pods_on("n1", "shop", "cart", into(got));
  const auto call = api.call("/api/v1/namespaces/shop/pods");
  EXPECT_EQ(call->target,
            "/api/v1/namespaces/shop/"
            "pods?fieldSelector=spec.nodeName%3Dn1%2Cspec.serviceAccountName%3Dcart");
  EXPECT_EQ(call->target.find("resourceVersion"), std::string::npos);
  api.answer("pods", 200, R"({"items":[
    {"metadata":{"namespace":"shop","name":"cart-1","uid":"u1",
                 "deletionTimestamp":"2026-11-28T07:00:00Z"},
     "spec":{"nodeName":"n1","serviceAccountName":"cart","hostNetwork":true},
     "status":{"phase":"Running"}},
    {"metadata":{"namespace":"shop","name":"cart-2","uid":"u2",
                 "annotations":{"kubernetes.io/config.mirror":"x"}},
     "spec":{"nodeName":"n1","serviceAccountName":"cart"},"status":{}}]})");
  ASSERT_TRUE(got && *got);
  ASSERT_EQ((*got)->size(), 2U);
  const PodRecord& first = (**got)[0];
  EXPECT_EQ(first.uid, "u1");
  EXPECT_EQ(first.phase, Phase::kRunning);
  EXPECT_TRUE(first.host_network);
  EXPECT_EQ(first.ends_at, WallTime(std::chrono::seconds(1'795'849'200)));
  EXPECT_EQ((**got)[1].phase, Phase::kUnknown);
  EXPECT_TRUE((**got)[1].is_mirror);
}

// 300 pods of one account on one node are more than an answer may hold.
TEST(KubePods, PodsThatDoNotFitIntoOneAnswerAreReadInPages) {
  test::FakeRest api;
  KubePods pods(api);
  std::optional<Result<std::vector<PodRecord>>> got;
  pods.pods_on("n1", "shop", "cart", into(got));
  api.fail("pods", Reason::server_answer_too_large);
  EXPECT_TRUE(api.call("pods")->target.ends_with("&limit=50"));
  api.answer("pods", 200, R"({"metadata":{"continue":"a/b"},"items":[{"metadata":{"uid":"u1"}}]})");
  EXPECT_TRUE(api.call("pods")->target.ends_with("&limit=50&continue=a%2Fb"));
  EXPECT_FALSE(got);
  api.answer("pods", 200, R"({"metadata":{},"items":[{"metadata":{"uid":"u2"}}]})");
  ASSERT_TRUE(got && *got);
  ASSERT_EQ((*got)->size(), 2U);
  EXPECT_EQ((**got)[1].uid, "u2");

  got.reset();
  pods.pods_on("n1", "shop", "cart", into(got));
  api.fail("pods", Reason::server_answer_too_large);
  api.fail("pods", Reason::server_answer_too_large);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->error().reason, Reason::server_answer_too_large);
}

TEST(KubePods, ADeletionTimeThatCannotBeReadIsOver) {
  for (const char* time : {"soon", "", "2026-11-28T07:00:00+01:00", "2026-13-28T07:00:00Z", "17"}) {
    const auto pod = document::parse_json(
        R"({"metadata":{"deletionTimestamp":")" + std::string(time) + "\"}}", "pod");
    ASSERT_TRUE(pod);
    EXPECT_EQ(decode_pod(*pod, Phase::kRunning).ends_at, WallTime()) << time;
  }
}

class KubeRootsTest : public ::testing::Test {
 protected:
  void load(const std::string& secret, const std::string& config_map) {
    roots_.load(into(loaded_));
    api_.answer("configmaps/keelson-trust-bundle", 200, config_map);
    api_.answer("secrets/keelson-ca-root", 200, secret);
  }
  test::FakeRest api_;
  KubeRoots roots_{api_, "mesh"};
  std::optional<Result<StoredRoots>> loaded_;
};

TEST_F(KubeRootsTest, ReadsAnEmptySecretAsNoRootYet) {
  load(R"({"metadata":{"resourceVersion":"7"}})", R"({"metadata":{"resourceVersion":"8"}})");
  ASSERT_TRUE(loaded_ && *loaded_);
  EXPECT_TRUE((*loaded_)->files.empty());
  EXPECT_TRUE((*loaded_)->bundle.empty());
  EXPECT_FALSE((*loaded_)->is_rotation_asked);
}

TEST_F(KubeRootsTest, WhatItSavesIsWhatItReads) {
  load(R"({"metadata":{"resourceVersion":"7","annotations":{"keelson.dev/rotate-root":"x"}},
           "data":{"gone.crt":"eA=="}})",
       R"({"metadata":{"resourceVersion":"8"},"data":{"ca.crt":"old"}})");
  ASSERT_TRUE(loaded_ && *loaded_);
  EXPECT_TRUE((*loaded_)->is_rotation_asked);
  EXPECT_EQ((*loaded_)->bundle, "old");
  RootFiles files;
  for (const char* text : {"a", "ab", "abc", "abcd"})
    files.emplace(std::string("f") + text, tls::SecretBytes(std::string(text)));
  std::optional<Result<void>> saved;
  roots_.save(**loaded_, files, into(saved));
  const auto call = api_.call("/api/v1/namespaces/mesh/secrets/keelson-ca-root");
  EXPECT_EQ(call->method, "PATCH");
  EXPECT_EQ(call->content_type, "application/merge-patch+json");
  Json patch = Json::parse(call->body);
  EXPECT_EQ(patch["metadata"]["resourceVersion"], "7") << "refused when another was faster";
  EXPECT_TRUE(patch["metadata"]["annotations"]["keelson.dev/rotate-root"].is_null());
  EXPECT_TRUE(patch["data"]["gone.crt"].is_null());
  patch["data"].erase("gone.crt");
  api_.answer("secrets", 200, "{}");
  EXPECT_TRUE(saved && *saved);
  load(Json{{"metadata", {{"resourceVersion", "9"}}}, {"data", patch["data"]}}.dump(),
       R"({"metadata":{"resourceVersion":"8"}})");
  ASSERT_EQ((*loaded_)->files.size(), 4U);
  for (const auto& [name, content] : (*loaded_)->files)
    EXPECT_EQ("f" + std::string(content.view()), name);
}

TEST_F(KubeRootsTest, PublishesOverTheBundleThatItReadOnly) {
  load(R"({"metadata":{"resourceVersion":"7"}})", R"({"metadata":{"resourceVersion":"8"}})");
  std::optional<Result<void>> published;
  roots_.publish(**loaded_, "PEM", into(published));
  const Json patch = Json::parse(api_.call("configmaps/keelson-trust-bundle")->body);
  EXPECT_EQ(patch, (Json{{"metadata", {{"resourceVersion", "8"}}}, {"data", {{"ca.crt", "PEM"}}}}));
  api_.answer("configmaps", 409, R"({"kind":"Status","reason":"Conflict","code":409})");
  ASSERT_TRUE(published);
  EXPECT_FALSE(*published);
}

TEST_F(KubeRootsTest, ABrokenSecretIsAnErrorAndNoEmptyOne) {
  load(R"({"metadata":{"resourceVersion":"7"},"data":{"tls.key":"%%%"}})",
       R"({"metadata":{"resourceVersion":"8"}})");
  ASSERT_TRUE(loaded_);
  EXPECT_FALSE(*loaded_);
}

}  // namespace
}  // namespace keelson::ca
