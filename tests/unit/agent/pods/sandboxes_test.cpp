#include "pods/sandboxes.h"

#include <gtest/gtest.h>

namespace keelson::pods {
namespace {

Sandbox sandbox(const std::string& id, const std::string& uid) {
  return {id, uid, "/run/netns/" + id, {}};
}

// As ProcSource finds one.
Sandbox guess(const std::string& uid, const std::string& pid = "77") {
  return {"proc-" + uid, uid, "/proc/" + pid + "/ns/net", {}, true};
}

TEST(Sandboxes, TheNewestOfAPodCounts) {
  Sandboxes sandboxes;
  EXPECT_TRUE(sandboxes.attach(sandbox("z-old", "u1")));
  EXPECT_TRUE(sandboxes.attach(sandbox("a-new", "u1")));
  EXPECT_EQ(sandboxes.of_pod("u1")->id, "a-new");
  EXPECT_TRUE(sandboxes.detach("z-old", "u1"));
  EXPECT_EQ(sandboxes.of_pod("u1")->id, "a-new");
  EXPECT_TRUE(sandboxes.detach("a-new", "u1"));
  EXPECT_EQ(sandboxes.of_pod("u1"), nullptr);
}

TEST(Sandboxes, TheSameAgainIsNoChange) {
  Sandboxes sandboxes;
  sandboxes.attach(sandbox("a", "u1"));
  EXPECT_FALSE(sandboxes.attach(sandbox("a", "u1")));
  EXPECT_FALSE(sandboxes.merge({sandbox("a", "u1")}, sandboxes.now()));
  EXPECT_FALSE(sandboxes.detach("unknown", "u1"));
}

TEST(Sandboxes, AListingAddsWhatTheAgentNeverSawAndForgetsWhatIsGone) {
  Sandboxes sandboxes;
  sandboxes.attach(sandbox("missed-del", "u1"));
  EXPECT_FALSE(sandboxes.merge({sandbox("missed-del", "u1")}, sandboxes.now()));
  EXPECT_TRUE(sandboxes.merge({sandbox("older", "u2")}, sandboxes.now()));
  EXPECT_EQ(sandboxes.of_pod("u1"), nullptr);
  EXPECT_EQ(sandboxes.of_pod("u2")->id, "older");
}

// The runtime lists a sandbox only when its ADD has been answered, which waits for enrolment.
TEST(Sandboxes, OneThatStartsIsNotForgottenBecauseNoListingHasItYet) {
  Sandboxes sandboxes;
  sandboxes.attach(sandbox("starts", "u1"));
  EXPECT_FALSE(sandboxes.merge({}, sandboxes.now()));
  EXPECT_FALSE(sandboxes.merge({}, sandboxes.now()));
  EXPECT_NE(sandboxes.of_pod("u1"), nullptr);
  EXPECT_TRUE(sandboxes.merge({}, sandboxes.now()));  // two minutes later it never started
  EXPECT_EQ(sandboxes.of_pod("u1"), nullptr);
}

TEST(Sandboxes, OfSeveralListedTheLastCounts) {
  Sandboxes sandboxes;
  sandboxes.merge({sandbox("first", "u1"), sandbox("another", "u1")}, 0);
  EXPECT_EQ(sandboxes.of_pod("u1")->id, "another");
}

TEST(Sandboxes, WhatCniSaidAfterAListingBeganIsNewer) {
  Sandboxes sandboxes;
  sandboxes.attach(sandbox("ends", "u1"));
  const auto began = sandboxes.now();
  sandboxes.detach("ends", "u1");
  sandboxes.attach(sandbox("starts", "u2"));
  EXPECT_FALSE(sandboxes.merge({sandbox("ends", "u1")}, began));
  EXPECT_EQ(sandboxes.of_pod("u1"), nullptr);
  EXPECT_NE(sandboxes.of_pod("u2"), nullptr);
  // The next listing is newer than both.
  EXPECT_TRUE(sandboxes.merge({sandbox("ends", "u1"), sandbox("starts", "u2")}, sandboxes.now()));
  EXPECT_EQ(sandboxes.size(), 2u);
}

TEST(Sandboxes, AListingKeepsTheAddressesThatCniTold) {
  Sandboxes sandboxes;
  Sandbox told = sandbox("a", "u1");
  told.addresses = {*IpAddress::parse("10.0.0.1")};
  sandboxes.attach(told);
  EXPECT_FALSE(sandboxes.merge({sandbox("a", "u1")}, sandboxes.now()));
  EXPECT_EQ(*sandboxes.of_pod("u1"), told);
}

TEST(Sandboxes, OneListedWithoutAPathKeepsItsOwnOrIsThereWithoutUntilOneComes) {
  Sandboxes sandboxes;
  sandboxes.attach(sandbox("known", "u1"));
  const std::vector<Sandbox> listed{{"known", "u1", "", {}}, {"strange", "u2", "", {}}};
  EXPECT_TRUE(sandboxes.merge(listed, sandboxes.now()));
  EXPECT_EQ(*sandboxes.of_pod("u1"), sandbox("known", "u1"));
  ASSERT_NE(sandboxes.of_pod("u2"), nullptr);
  EXPECT_EQ(sandboxes.of_pod("u2")->netns_path, "");
  EXPECT_FALSE(sandboxes.merge(listed, sandboxes.now()));
  EXPECT_TRUE(sandboxes.merge({sandbox("known", "u1"), sandbox("strange", "u2")}, sandboxes.now()));
  EXPECT_EQ(*sandboxes.of_pod("u2"), sandbox("strange", "u2"));
  EXPECT_TRUE(sandboxes.merge({sandbox("known", "u1")}, sandboxes.now()));
  EXPECT_EQ(sandboxes.of_pod("u2"), nullptr);
}

TEST(Sandboxes, OneWithoutAPathHidesNoOtherOfItsPod) {
  Sandboxes sandboxes;
  sandboxes.attach(sandbox("successor", "u1"));
  sandboxes.merge({{"hangs", "u1", "", {}}, sandbox("successor", "u1")}, sandboxes.now());
  EXPECT_EQ(sandboxes.of_pod("u1")->id, "successor");
}

TEST(Sandboxes, GarbageIsWhatIsNotListedAsValid) {
  Sandboxes sandboxes;
  sandboxes.attach(sandbox("a", "u1"));
  sandboxes.attach(sandbox("b", "u2"));
  EXPECT_TRUE(sandboxes.keep_only({"b", "c"}));
  EXPECT_FALSE(sandboxes.keep_only({"b"}));
  EXPECT_EQ(sandboxes.size(), 1u);
}

TEST(Sandboxes, AListingUnderWayBringsNoGarbageBack) {
  Sandboxes sandboxes;
  sandboxes.attach(sandbox("a", "u1"));
  const auto began = sandboxes.now();
  sandboxes.keep_only({});
  EXPECT_FALSE(sandboxes.merge({sandbox("a", "u1"), guess("u1")}, began));
  EXPECT_EQ(sandboxes.of_pod("u1"), nullptr);
  EXPECT_TRUE(sandboxes.merge({sandbox("a", "u1")}, sandboxes.now()));
}

// With another path the running pod would be taken out and enrolled again.
TEST(GuessedSandboxes, OneOfAToldPodChangesNothing) {
  Sandboxes sandboxes;
  sandboxes.attach(sandbox("told", "u1"));
  for (int listing = 0; listing < 5; ++listing)
    EXPECT_FALSE(sandboxes.merge({guess("u1")}, sandboxes.now()));
  EXPECT_EQ(*sandboxes.of_pod("u1"), sandbox("told", "u1"));
  EXPECT_EQ(sandboxes.size(), 1u);
}

TEST(GuessedSandboxes, TheyShowThatADelWasMissed) {
  Sandboxes sandboxes;
  sandboxes.attach(sandbox("missed-del", "u1"));
  EXPECT_FALSE(sandboxes.merge({guess("u1")}, sandboxes.now()));
  EXPECT_TRUE(sandboxes.merge({}, sandboxes.now()));
  EXPECT_EQ(sandboxes.of_pod("u1"), nullptr);
}

TEST(GuessedSandboxes, OneFoundBeforeItsSuccessorsAddDoesNotCountAsThatOne) {
  Sandboxes sandboxes;
  const auto began = sandboxes.now();
  sandboxes.attach(sandbox("starts", "u1"));
  EXPECT_FALSE(sandboxes.merge({guess("u1")}, began));
  EXPECT_FALSE(sandboxes.merge({}, sandboxes.now()));  // its ADD waits for enrolment
  EXPECT_NE(sandboxes.of_pod("u1"), nullptr);
}

TEST(GuessedSandboxes, AddReplacesOneAndDelLeavesNone) {
  Sandboxes sandboxes;
  EXPECT_TRUE(sandboxes.merge({guess("u1")}, sandboxes.now()));
  EXPECT_EQ(*sandboxes.of_pod("u1"), guess("u1"));
  EXPECT_TRUE(sandboxes.attach(sandbox("told", "u1")));
  EXPECT_EQ(sandboxes.size(), 1u);
  EXPECT_TRUE(sandboxes.detach("told", "u1"));
  EXPECT_EQ(sandboxes.of_pod("u1"), nullptr);
}

TEST(GuessedSandboxes, DelOfAnUnknownSandboxEndsWhatWasGuessedOfItsPod) {
  Sandboxes sandboxes;
  sandboxes.merge({guess("u1"), guess("u2")}, sandboxes.now());
  const auto began = sandboxes.now();
  EXPECT_TRUE(sandboxes.detach("older-than-the-agent", "u1"));
  EXPECT_EQ(sandboxes.of_pod("u1"), nullptr);
  EXPECT_NE(sandboxes.of_pod("u2"), nullptr);
  EXPECT_FALSE(sandboxes.merge({guess("u1"), guess("u2")}, began));  // it was under way
  EXPECT_EQ(sandboxes.of_pod("u1"), nullptr);
}

TEST(GuessedSandboxes, GcKnowsNothingOfThem) {
  Sandboxes sandboxes;
  sandboxes.merge({guess("u1")}, sandboxes.now());
  sandboxes.attach(sandbox("gone", "u2"));
  EXPECT_TRUE(sandboxes.keep_only({"another"}));
  EXPECT_NE(sandboxes.of_pod("u1"), nullptr);
  EXPECT_EQ(sandboxes.of_pod("u2"), nullptr);
}

}  // namespace
}  // namespace keelson::pods
