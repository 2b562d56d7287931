#include "status/mesh_events.h"

#include <gmock/gmock.h>

namespace keelson::status {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using State = SeenPod::State;

SeenPod pod(State state, const std::string& detail = "", uint64_t repairs = 0) {
  return {"shop", "web-1", "6f1c", state, Reason::netns_invalid, detail, repairs};
}

class PodEventsTest : public testing::Test {
 protected:
  std::vector<std::string> look(const std::vector<SeenPod>& pods) {
    std::vector<std::string> reasons;
    for (const Event& event : events_.look(pods, now_)) {
      EXPECT_EQ(event.about, (model::ObjectKey{model::Kind::kPod, "shop", "web-1"}));
      EXPECT_EQ(event.uid, "6f1c");
      reasons.push_back(event.reason);
    }
    return reasons;
  }
  MonotonicTime now_ = MonotonicTime(1h);
  PodEvents events_;
};

TEST_F(PodEventsTest, APodJoinsOnceAndLeavesOnce) {
  EXPECT_THAT(look({pod(State::kJoining)}), IsEmpty());
  EXPECT_THAT(look({pod(State::kReady)}), ElementsAre("MeshJoined"));
  EXPECT_THAT(look({pod(State::kReady)}), IsEmpty());
  EXPECT_THAT(look({pod(State::kLeaving)}), ElementsAre("MeshLeft"));
  EXPECT_THAT(look({pod(State::kLeaving)}), IsEmpty());
  EXPECT_THAT(look({}), IsEmpty());
  EXPECT_THAT(look({pod(State::kReady)}), ElementsAre("MeshJoined"));
}

TEST_F(PodEventsTest, APodThatIsDeletedLeavesWithoutAWord) {
  look({pod(State::kReady)});
  EXPECT_THAT(look({}), IsEmpty());
}

TEST_F(PodEventsTest, WhatAnEarlierAgentEnrolledDoesNotJoin) {
  events_.start({"6f1c"});
  EXPECT_THAT(look({pod(State::kReady)}), IsEmpty());
  EXPECT_THAT(look({pod(State::kLeaving)}), ElementsAre("MeshLeft"));
}

TEST_F(PodEventsTest, ARefusalIsToldOnceItHasStoodForHalfAMinute) {
  EXPECT_THAT(look({pod(State::kRefused, "no netns")}), IsEmpty());
  EXPECT_EQ(events_.next_look(), now_ + 30s);
  now_ += 29s;
  EXPECT_THAT(look({pod(State::kRefused, "no netns")}), IsEmpty());
  now_ += 1s;
  EXPECT_THAT(look({pod(State::kRefused, "no netns")}), ElementsAre("MeshRefused"));
  EXPECT_EQ(events_.next_look(), std::nullopt);
  EXPECT_THAT(look({pod(State::kRefused, "no netns")}), IsEmpty());
  EXPECT_THAT(look({pod(State::kRefused, "no address")}), ElementsAre("MeshRefused"));
}

TEST_F(PodEventsTest, WhatAStartingPodLacksForAMomentIsNoRefusal) {
  look({pod(State::kRefused, "no netns")});
  now_ += 20s;
  EXPECT_THAT(look({pod(State::kReady)}), ElementsAre("MeshJoined"));
  now_ += 20s;
  EXPECT_THAT(look({pod(State::kRefused, "no netns")}), IsEmpty());
}

TEST_F(PodEventsTest, ARepairIsTold) {
  look({pod(State::kReady)});
  EXPECT_THAT(look({pod(State::kReady, "", 1)}), ElementsAre("MeshRepaired"));
  EXPECT_THAT(look({pod(State::kReady, "", 1)}), IsEmpty());
  EXPECT_THAT(look({pod(State::kReady, "", 0)}), IsEmpty()) << "enrolled anew";
}

TEST(NamespaceEventsTest, TheLabelIsToldWhenItComesAndGoes) {
  model::Snapshot snapshot;
  const auto set = [&](const std::string& label) {
    auto ns = std::make_shared<model::Namespace>();
    ns->meta.key = {model::Kind::kNamespace, "", "shop"};
    if (!label.empty()) ns->meta.labels[std::string(model::kMeshLabel)] = label;
    snapshot.namespaces[ns->meta.key] = ns;
  };
  NamespaceEvents events;
  set("enabled");
  EXPECT_THAT(events.look(snapshot), IsEmpty()) << "it was so before";
  set("");
  ASSERT_EQ(events.look(snapshot).at(0).reason, "MeshDisabled");
  EXPECT_THAT(events.look(snapshot), IsEmpty());
  set("enable");
  EXPECT_THAT(events.look(snapshot), IsEmpty()) << "has no effect";
  set("enabled");
  ASSERT_EQ(events.look(snapshot).at(0).reason, "MeshEnabled");
  snapshot.namespaces.clear();
  EXPECT_THAT(events.look(snapshot), IsEmpty());
  set("enabled");
  EXPECT_EQ(events.look(snapshot).size(), 1u) << "another one of that name";
}

}  // namespace
}  // namespace keelson::status
