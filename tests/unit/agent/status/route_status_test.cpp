#include "status/route_status.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace keelson::status {
namespace {

using compile::RouteCondition;
using nlohmann::json;
using testing::HasSubstr;
using State = StatusEdit::State;

const WallTime kNow = WallTime(std::chrono::hours(24 * 365));  // 1971-01-01T00:00:00Z
constexpr const char* kThen = "1970-06-01T00:00:00Z";

RouteStatus accepted_by(const std::string& service) {
  RouteStatus status;
  status.generation = 3;
  status.parents.push_back(
      {{"shop", service, 0, "", 0}, {true, "Accepted", ""}, {true, "ResolvedRefs", ""}});
  return status;
}

json condition(const std::string& type, const std::string& status, const std::string& reason,
               const std::string& since = kThen, int generation = 3) {
  return {{"type", type},
          {"status", status},
          {"reason", reason},
          {"message", ""},
          {"observedGeneration", generation},
          {"lastTransitionTime", since}};
}
json entry(const json& reference, const std::string& controller, const json& conditions) {
  return {{"parentRef", reference}, {"controllerName", controller}, {"conditions", conditions}};
}

class EditStatus : public testing::Test {
 protected:
  EditStatus() {
    route_ = {
        {"kind", "HTTPRoute"},
        {"metadata",
         {{"name", "r"}, {"namespace", "shop"}, {"generation", 3}, {"resourceVersion", "77"}}},
        {"spec", {{"parentRefs", {service_, gateway_}}}}};
  }
  StatusEdit edit(const RouteStatus& wanted) {
    auto edit = edit_status(route_.dump(), wanted, kNow);
    if (edit) return *edit;
    ADD_FAILURE() << edit.error().message();
    return {};
  }
  json parents_of(const StatusEdit& edit) {
    EXPECT_EQ(edit.state, State::kPatch);
    const json patch = json::parse(edit.patch, nullptr, false);
    EXPECT_EQ(patch["metadata"]["resourceVersion"], "77");
    return patch["status"]["parents"];
  }
  json ours(const std::string& since = kThen) const {
    return entry(service_, kControllerName,
                 {condition("Accepted", "True", "Accepted", since),
                  condition("ResolvedRefs", "True", "ResolvedRefs", since)});
  }
  void stands(json parents) { route_["status"]["parents"] = std::move(parents); }

  const json service_ = {{"group", ""}, {"kind", "Service"}, {"name", "pay"}};
  const json gateway_ = {
      {"group", "gateway.networking.k8s.io"}, {"kind", "Gateway"}, {"name", "edge"}};
  json route_;
};

TEST_F(EditStatus, AServiceParentGetsBothConditionsAndAGatewayNothing) {
  const json parents = parents_of(edit(accepted_by("pay")));
  ASSERT_EQ(parents.size(), 1u);
  EXPECT_EQ(parents[0], ours("1971-01-01T00:00:00Z"));
}

TEST_F(EditStatus, EntriesOfOtherControllersStayAsTheyAre) {
  json edge = entry(gateway_, "example.net/gateway",
                    json::array({condition("Accepted", "True", "Accepted")}));
  edge["conditions"][0]["whatever"] = {1, 2};
  stands(json::array({edge}));
  const json parents = parents_of(edit(accepted_by("pay")));
  ASSERT_EQ(parents.size(), 2u);
  EXPECT_EQ(parents[0], edge);
}

TEST_F(EditStatus, WhatStandsThereAlreadyIsNotWrittenWhereverItStands) {
  const json edge = entry(gateway_, "example.net/gateway", json::array());
  for (const json& parents :
       {json::array({ours()}), json::array({ours(), edge}), json::array({edge, ours()})}) {
    stands(parents);
    EXPECT_EQ(edit(accepted_by("pay")).state, State::kSame) << parents;
  }
}

TEST_F(EditStatus, AChangeOfStatusIsATransitionAndAChangeOfWordsIsNone) {
  stands(json::array({ours()}));
  RouteStatus wanted = accepted_by("pay");
  wanted.parents[0].resolved = {false, "BackendNotFound", "there is no Service shop/v1"};
  wanted.parents[0].accepted.message = "a word";
  const json conditions = parents_of(edit(wanted))[0]["conditions"];
  EXPECT_EQ(conditions[0]["message"], "a word");
  EXPECT_EQ(conditions[0]["lastTransitionTime"], kThen);
  EXPECT_EQ(conditions[1]["status"], "False");
  EXPECT_EQ(conditions[1]["lastTransitionTime"], "1971-01-01T00:00:00Z");
}

TEST_F(EditStatus, OurEntryGoesWithOurParent) {
  const json edge = entry(gateway_, "example.net/gateway", json::array());
  stands(json::array({ours(), edge}));
  route_["spec"]["parentRefs"] = json::array({gateway_});
  RouteStatus nothing;
  nothing.generation = 3;
  EXPECT_EQ(parents_of(edit(nothing)), json::array({edge}));
  stands(json::array({ours()}));
  EXPECT_EQ(parents_of(edit(nothing)), json::array());
  stands(json::array({edge}));
  EXPECT_EQ(edit(nothing).state, State::kSame);
}

TEST_F(EditStatus, AVerdictOnAnotherGenerationIsNotWritten) {
  route_["metadata"]["generation"] = 4;
  EXPECT_EQ(edit(accepted_by("pay")).state, State::kOutdated);
}

TEST_F(EditStatus, ParentRefsAreKeptAsTheRouteHasThem) {
  json reference = service_;
  reference.update({{"namespace", "shop"}, {"port", 80}, {"sectionName", "http"}});
  route_["spec"]["parentRefs"] = json::array({reference});
  RouteStatus wanted = accepted_by("pay");
  wanted.parents[0].parent.port = 80;
  wanted.parents[0].parent.section = "http";
  EXPECT_EQ(parents_of(edit(wanted))[0]["parentRef"], reference);
  wanted.parents[0].parent.port = 81;  // judged in another life
  EXPECT_EQ(edit(wanted).state, State::kSame);
}

TEST_F(EditStatus, ARefusedVersionTellsEveryServiceParent) {
  json core = service_;
  core["group"] = "core";
  core["name"] = "cart";
  json stranger = service_;
  stranger["group"] = "example.net";
  route_["spec"]["parentRefs"] = {service_, gateway_, core, stranger, service_};
  RouteStatus wanted;
  wanted.generation = 3;
  wanted.refused = RouteCondition{false, "UnsupportedValue", "unknown field"};
  const json parents = parents_of(edit(wanted));
  ASSERT_EQ(parents.size(), 2u);
  EXPECT_EQ(parents[1]["parentRef"], core);
  ASSERT_EQ(parents[0]["conditions"].size(), 1u);
  EXPECT_EQ(parents[0]["conditions"][0]["reason"], "UnsupportedValue");
}

TEST_F(EditStatus, TheListsLimitIsKeptAndReachingItIsNoReasonToWriteAgain) {
  json others = json::array();
  for (int i = 0; i < 32; ++i)
    others.push_back(entry(gateway_, "example.net/g" + std::to_string(i), json::array()));
  stands(others);
  EXPECT_EQ(edit(accepted_by("pay")).state, State::kSame);
}

TEST_F(EditStatus, AnAnswerThatIsNoRouteIsAnError) {
  for (const char* text : {"", "<html>", "[]", "{}", R"({"metadata":{"generation":3}})",
                           R"({"metadata":{"resourceVersion":7}})"}) {
    const auto edit = edit_status(text, accepted_by("pay"), kNow);
    ASSERT_FALSE(edit) << text;
    EXPECT_EQ(edit.error().reason, Reason::api_answer_malformed);
  }
  route_["spec"] = "nothing";
  route_["status"] = {{"parents", {1, nullptr, "x"}}};
  EXPECT_EQ(edit(accepted_by("pay")).state, State::kSame) << "nothing of ours in it";
}

TEST(RouteStatuses, AreTheCompilersVerdictsOrTheFindingsOfARefusedVersion) {
  model::Snapshot snapshot;
  const auto add = [&](const std::string& name, int64_t generation) {
    auto route = std::make_shared<model::HttpRoute>();
    route->meta.key = {model::Kind::kHttpRoute, "shop", name};
    route->meta.generation = generation;
    route->parents = {{"shop", "pay", 0, "", 0}};
    snapshot.http_routes[route->meta.key] = route;
    return route;
  };
  const auto good = add("good", 2), old = add("old", 5);
  add("gateways", 1);
  compile::Plan plan;
  compile::RouteVerdicts verdicts(2);
  verdicts[0].route = good;
  verdicts[0].resolved = {false, "BackendNotFound", "gone"};
  verdicts[1].route = old;
  plan.route_verdicts = {std::make_shared<const compile::RouteVerdicts>(verdicts)};
  model::RefusedVersion refused{old->meta.key, 6, std::vector<model::Finding>(7)};
  refused.findings[0].message = "unknown field spec.ruels";
  refused.findings[0].fix = "did you mean 'rules'?";

  const RouteStatuses statuses = route_statuses(snapshot, plan, {refused});
  ASSERT_EQ(statuses.size(), 3u);
  const RouteStatus& of_good = statuses.at(good->meta.key);
  EXPECT_EQ(of_good.generation, 2);
  ASSERT_EQ(of_good.parents.size(), 1u);
  EXPECT_EQ(of_good.parents[0].resolved.message, "gone");
  const RouteStatus& of_old = statuses.at(old->meta.key);
  EXPECT_EQ(of_old.generation, 6);
  EXPECT_TRUE(of_old.parents.empty());
  ASSERT_TRUE(of_old.refused);
  EXPECT_THAT(of_old.refused->message,
              HasSubstr("unknown field spec.ruels (did you mean 'rules'?)"));
  EXPECT_THAT(of_old.refused->message, HasSubstr("and 2 more. The last good version keeps"));
  EXPECT_TRUE(statuses.at({model::Kind::kHttpRoute, "shop", "gateways"}).is_empty());
}

}  // namespace
}  // namespace keelson::status
