#include "ca/root_rotation.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

#include "support/fake_clock.h"

namespace keelson::ca {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using Step = RotationStep;

const WallTime kNow{hours(24 * 365 * 50)};

TEST(RootRotation, EachStateHasOneNextStep) {
  const RotationTimes times;
  const RotationState one{
      .has_signing = true, .signing_ends = kNow + hours(24 * 3650), .is_published = true};
  struct Case {
    const char* name;
    std::function<void(RotationState&)> change;
    Step step;
  };
  const std::vector<Case> cases{
      {"nothing to do", [](auto&) {}, Step::kNone},
      {"no root", [](auto& s) { s = {}; }, Step::kMakeRoot},
      {"bundle is not out", [](auto& s) { s.is_published = false; }, Step::kPublish},
      {"asked", [](auto& s) { s.is_asked = true; }, Step::kMakeNext},
      {"asked, but the bundle comes first",
       [](auto& s) { s.is_asked = true, s.is_published = false; }, Step::kPublish},
      {"root ends within a year", [](auto& s) { s.signing_ends = kNow + hours(24 * 365); },
       Step::kMakeNext},
      {"root ends a second later than that",
       [](auto& s) { s.signing_ends = kNow + hours(24 * 365) + std::chrono::seconds(1); },
       Step::kNone},
      {"root has ended", [](auto& s) { s.signing_ends = kNow - hours(1); }, Step::kMakeNext},
      {"next is not out", [](auto& s) { s.has_next = true, s.is_published = false; },
       Step::kPublish},
      {"next is out", [](auto& s) { s.has_next = true; }, Step::kStamp},
      {"next is announced", [](auto& s) { s.has_next = true, s.announced_at = kNow; }, Step::kNone},
      {"a second before everybody has it",
       [](auto& s) {
         s.has_next = true, s.announced_at = kNow - hours(24) + std::chrono::seconds(1);
       },
       Step::kNone},
      {"everybody has it", [](auto& s) { s.has_next = true, s.announced_at = kNow - hours(24); },
       Step::kSwitch},
      {"everybody has it, but the bundle was taken away",
       [](auto& s) {
         s.has_next = true, s.announced_at = kNow - hours(24), s.is_published = false;
       },
       Step::kPublish},
      {"the clock was set back",
       [](auto& s) { s.has_next = true, s.announced_at = kNow + hours(24); }, Step::kNone},
      {"old leaves are valid",
       [](auto& s) { s.has_old = true, s.switched_at = kNow - hours(24) - minutes(59); },
       Step::kNone},
      {"old leaves have ended", [](auto& s) { s.has_old = true, s.switched_at = kNow - hours(25); },
       Step::kDropOld},
      {"nobody knows since when", [](auto& s) { s.has_old = true; }, Step::kNone},
      {"asked during the overlap",
       [](auto& s) { s.has_old = true, s.switched_at = kNow, s.is_asked = true; }, Step::kNone},
  };
  for (const auto& test : cases) {
    RotationState state = one;
    test.change(state);
    EXPECT_EQ(next_rotation_step(state, times, kNow), test.step) << test.name;
  }
}

TEST(RootRotation, AnAnnounceTimeBelowALeafsLifeIsNotTaken) {
  const RotationTimes hasty{.announce = minutes(1)};
  const RotationState state{.has_signing = true,
                            .has_next = true,
                            .signing_ends = kNow + hours(24 * 3650),
                            .announced_at = kNow - hours(23),
                            .is_published = true};
  EXPECT_EQ(next_rotation_step(state, hasty, kNow), Step::kNone);
}

// Roots are numbers. A node has one leaf and the bundle that came with it, never a newer one: the
// worst case, in which no ConfigMap ever reaches a node.
struct Node {
  int signed_by = -1;
  std::set<int> bundle;
  WallTime renew_at, ends;
};

struct Mesh {
  RotationTimes times;
  RotationState state;
  int signing = -1, next = -1;
  std::set<int> old;
  int made = 0;

  std::set<int> bundle() const {
    std::set<int> all = old;
    all.insert(signing);
    if (next >= 0) all.insert(next);
    return all;
  }
  bool step(WallTime now) {
    switch (next_rotation_step(state, times, now)) {
      case Step::kNone:
        return false;
      case Step::kMakeRoot:
        signing = made++;
        state.has_signing = true, state.is_published = false;
        state.signing_ends = now + hours(24 * 3650);
        return true;
      case Step::kPublish:
        state.is_published = true;
        return true;
      case Step::kMakeNext:
        next = made++;
        state.has_next = true, state.is_published = false, state.is_asked = false;
        return true;
      case Step::kStamp:
        state.announced_at = now;
        return true;
      case Step::kSwitch:
        old.insert(std::exchange(signing, std::exchange(next, -1)));
        state.has_next = false, state.has_old = true, state.is_published = false;
        state.announced_at.reset(), state.switched_at = now;
        return true;
      case Step::kDropOld:
        old.clear();
        state.has_old = false, state.is_published = false;
        state.switched_at.reset();
        return true;
    }
    return false;
  }
};

TEST(RootRotation, NoHandshakeFailsInAYearOfRotationsAlthoughNodesHearOnlyWithTheirLeaves) {
  test::FakeClock clock;
  Mesh mesh;
  std::mt19937 random(5);
  std::vector<Node> nodes(12);
  uint64_t handshakes = 0;
  for (int hour = 0; hour < 24 * 365; ++hour) {
    clock.advance(hours(1));
    const WallTime now = clock.wall_now();
    if (hour % 400 == 0) mesh.state.is_asked = true;
    while (mesh.step(now)) {
    }
    for (Node& node : nodes) {
      if (now < node.renew_at) continue;
      node = {mesh.signing, mesh.bundle(), now + hours(12 + random() % 11), now + hours(24)};
    }
    for (const Node& from : nodes)
      for (const Node& to : nodes) {
        if (now >= from.ends || now >= to.ends) continue;
        ASSERT_TRUE(to.bundle.contains(from.signed_by)) << "hour " << hour;
        ++handshakes;
      }
  }
  EXPECT_GT(handshakes, 1'000'000U);
  EXPECT_GE(mesh.made, 20) << "rotations took place";
}

}  // namespace
}  // namespace keelson::ca
