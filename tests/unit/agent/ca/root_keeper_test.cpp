#include "ca/root_keeper.h"

#include <gtest/gtest.h>

#include "ca_fakes.h"
#include "support/fake_clock.h"

namespace keelson::ca {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

TEST(RootKeeper, MakesTheFirstRootAndPublishesItsBundle) {
  test::FakeClock clock;
  test::FakeRoots store;
  RootKeeper keeper({}, store, clock);
  EXPECT_EQ(keeper.usable(), nullptr);
  keeper.run();
  ASSERT_NE(keeper.usable(), nullptr);
  EXPECT_EQ(store.bundle, keeper.usable()->bundle_pem());
  EXPECT_FALSE(keeper.last_error());
  const int version = store.version;
  keeper.run();
  EXPECT_EQ(store.version, version) << "nothing is due: nothing is written";
}

TEST(RootKeeper, TwoReplicasThatStartAtOnceEndWithOneRoot) {
  test::FakeClock clock;
  test::FakeRoots store;
  RootKeeper first({}, store, clock), second({}, store, clock);
  store.before_write = [&] { second.run(); };
  first.run();
  EXPECT_TRUE(first.last_error()) << "it lost the race";
  EXPECT_EQ(first.usable(), nullptr) << "and does not use what it did not save";
  first.run();
  ASSERT_NE(first.usable(), nullptr);
  EXPECT_EQ(first.usable()->bundle_pem(), second.usable()->bundle_pem());
  EXPECT_EQ(store.bundle, second.usable()->bundle_pem());
}

TEST(RootKeeper, ARotationGoesThroughItsStagesAtTheirTimes) {
  test::FakeClock clock;
  test::FakeRoots store;
  RootKeeper keeper({}, store, clock);
  keeper.run();
  const auto roots = [&] { return keeper.usable()->trusted().size(); };
  const auto signs = [&] { return tls::to_pem(keeper.usable()->signing.certificate.get()); };
  const std::string first = signs();
  store.is_rotation_asked = true;
  keeper.run();
  EXPECT_FALSE(store.is_rotation_asked);
  EXPECT_EQ(roots(), 2U);
  EXPECT_EQ(signs(), first);
  EXPECT_EQ(store.bundle, keeper.usable()->bundle_pem());
  clock.advance(hours(23));
  keeper.run();
  EXPECT_EQ(signs(), first);
  clock.advance(hours(1));
  keeper.run();
  EXPECT_NE(signs(), first);
  EXPECT_EQ(roots(), 2U);
  clock.advance(hours(24));
  keeper.run();
  EXPECT_EQ(roots(), 2U);
  clock.advance(hours(1));
  keeper.run();
  EXPECT_EQ(roots(), 1U);
  EXPECT_EQ(store.bundle, signs());
}

TEST(RootKeeper, TheAnnouncementCountsFromThePublishedBundle) {
  test::FakeClock clock;
  test::FakeRoots store;
  RootKeeper keeper({}, store, clock);
  keeper.run();
  store.is_rotation_asked = true;
  store.publish_failure = Error{Reason::cannot_reach, ErrorSource::kKube, true, 0, ""};
  keeper.run();
  ASSERT_TRUE(keeper.last_error());
  for (int hour = 0; hour < 48; ++hour) {
    clock.advance(hours(1));
    keeper.run();
  }
  EXPECT_FALSE(keeper.roots().announced_at);
  EXPECT_NE(keeper.roots().next.key, nullptr) << "still waiting";
  store.publish_failure.reset();
  keeper.run();
  EXPECT_EQ(keeper.roots().announced_at, clock.wall_now());
}

TEST(RootKeeper, RootsThatCannotBeReadAgainAreNotUsedForLong) {
  test::FakeClock clock;
  test::FakeRoots store;
  RootKeeper keeper({}, store, clock);
  keeper.run();
  store.failure = Error{Reason::cannot_reach, ErrorSource::kKube, true, 0, ""};
  clock.advance(seconds(599));
  keeper.run();
  EXPECT_NE(keeper.usable(), nullptr);
  clock.advance(seconds(1));
  EXPECT_EQ(keeper.usable(), nullptr);
  EXPECT_EQ(keeper.roots().trusted().size(), 1U) << "kept for its metrics";
  store.failure.reset();
  keeper.run();
  EXPECT_NE(keeper.usable(), nullptr);
}

TEST(RootKeeper, ALostRootIsNotReplacedSilently) {
  test::FakeClock clock;
  test::FakeRoots store;
  RootKeeper keeper({}, store, clock);
  keeper.run();
  const std::string bundle = store.bundle;
  store.files.clear();
  ++store.version;
  keeper.run();
  ASSERT_TRUE(keeper.last_error());
  EXPECT_EQ(keeper.last_error()->reason, Reason::authority_state_invalid);
  EXPECT_TRUE(store.files.empty());
  RootKeeper fresh({}, store, clock);  // a CA that starts sees the bundle of the lost root
  fresh.run();
  ASSERT_TRUE(fresh.last_error());
  EXPECT_EQ(fresh.last_error()->reason, Reason::authority_state_invalid);
  EXPECT_EQ(store.bundle, bundle);
  store.bundle.clear();  // the operator decides
  fresh.run();
  EXPECT_NE(fresh.usable(), nullptr);
}

// Two installations, each with a root and a bundle of its own.
struct TwoRoots {
  TwoRoots() {
    keeper.run();
    elsewhere.run();
    bundle = store.bundle;
  }
  test::FakeClock clock;
  test::FakeRoots store, other;
  RootKeeper keeper{{}, store, clock}, elsewhere{{}, other, clock};
  std::string bundle;
};

// A Secret restored from a backup of another root.
TEST(RootKeeper, ARootThatTheBundleDoesNotHaveIsNotTaken) {
  TwoRoots two;
  std::swap(two.store.files, two.other.files);
  ++two.store.version;
  RootKeeper fresh({}, two.store, two.clock);
  for (RootKeeper* each : {&two.keeper, &fresh}) {
    each->run();
    ASSERT_TRUE(each->last_error());
    EXPECT_EQ(each->last_error()->reason, Reason::authority_state_invalid);
    EXPECT_EQ(two.store.bundle, two.bundle);
  }
  EXPECT_EQ(fresh.usable(), nullptr);
  two.store.bundle.clear();  // the operator decides
  fresh.run();
  EXPECT_EQ(two.store.bundle, two.elsewhere.usable()->bundle_pem());
}

TEST(RootKeeper, ABundleThatSomebodyEditedIsPublishedAgain) {
  TwoRoots two;
  for (const std::string& edited : {two.other.bundle, std::string("garbage")}) {
    two.store.bundle = edited;
    ++two.store.version;
    two.keeper.run();
    EXPECT_EQ(two.store.bundle, two.bundle);
  }
}

}  // namespace
}  // namespace keelson::ca
