#include "identity/identity_store.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "support/cert_fixture.h"
#include "support/fake_clock.h"

namespace keelson::identity {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using test::FakeClock;

class FakeIssuer final : public Issuer {
 public:
  struct Asked {
    tls::SpiffeId id;
    Done done;
  };
  void issue(const tls::SpiffeId& id, Done done) override {
    asked.push_back({id, std::move(done)});
  }
  std::deque<Asked> asked;
};

class Recorder final : public IdentityObserver {
 public:
  void on_identity(const tls::KeyMaterial& material) override {
    events.push_back("have " + material.id.service_account + " " +
                     std::string(material.key.view()) + " " + material.trust.front());
  }
  void on_identity_gone(const tls::SpiffeId& id, Reason why) override {
    events.push_back("gone " + id.service_account + " " + std::string(reason_name(why)));
  }
  std::vector<std::string> events;
};

class IdentityStoreTest : public ::testing::Test {
 protected:
  tls::KeyMaterial material(const tls::SpiffeId& id, const std::string& key,
                            seconds life = hours(24)) {
    tls::KeyMaterial made;
    made.id = id;
    made.key = tls::SecretBytes(key);
    made.chain = {"leaf"};
    made.trust = {"root"};
    made.not_before = clock_.wall_now();
    made.not_after = clock_.wall_now() + life;
    return made;
  }
  void answer(const std::string& key, seconds life = hours(24)) {
    ASSERT_FALSE(issuer_.asked.empty());
    auto asked = std::move(issuer_.asked.front());
    issuer_.asked.pop_front();
    asked.done(material(asked.id, key, life));
  }
  void refuse() {
    ASSERT_FALSE(issuer_.asked.empty());
    auto asked = std::move(issuer_.asked.front());
    issuer_.asked.pop_front();
    asked.done(fail(Reason::cannot_reach, ErrorSource::kInternal, "CA"));
  }
  void begin() {
    store_.set_wanted({kCart});
    store_.run_due();
    answer("key1");
    events().clear();
  }
  std::vector<std::string>& events() { return recorder_.events; }

  const ServiceAccount kCart{"shop", "cart"};
  const ServiceAccount kTill{"pay", "till"};
  FakeClock clock_;
  FakeIssuer issuer_;
  Recorder recorder_;
  double chance_ = 0.0;
  IdentityStore store_{"cluster.local", {clock_, issuer_, recorder_, [this] { return chance_; }}};
};

TEST_F(IdentityStoreTest, AsksAtOnceForEveryWantedAccountAndPublishesTheAnswer) {
  store_.set_wanted({kCart, kTill});
  EXPECT_EQ(store_.find(kCart), nullptr);
  store_.run_due();
  ASSERT_EQ(issuer_.asked.size(), 2U);
  EXPECT_EQ(issuer_.asked[1].id.to_string(), "spiffe://cluster.local/ns/shop/sa/cart");
  answer("t");
  answer("c");
  EXPECT_EQ(events(), (std::vector<std::string>{"have till t root", "have cart c root"}));
  ASSERT_NE(store_.find(kCart), nullptr);
  EXPECT_EQ(store_.find(kCart)->key.view(), "c");
  EXPECT_EQ(store_.counts().usable, 2U);
}

TEST_F(IdentityStoreTest, AsksOnlyOnceWhileAnAnswerIsOutstanding) {
  store_.set_wanted({kCart});
  store_.run_due();
  store_.set_wanted({kCart});
  store_.run_due();
  EXPECT_EQ(issuer_.asked.size(), 1U);
}

TEST_F(IdentityStoreTest, RenewsAtHalfLifeAndServesTheOldKeyUntilTheNewOneIsThere) {
  begin();
  clock_.advance(hours(12) - seconds(1));
  store_.run_due();
  EXPECT_TRUE(issuer_.asked.empty());
  clock_.advance(seconds(1));
  store_.run_due();
  ASSERT_EQ(issuer_.asked.size(), 1U);
  EXPECT_EQ(store_.find(kCart)->key.view(), "key1");
  answer("key2");
  EXPECT_EQ(store_.find(kCart)->key.view(), "key2");
  EXPECT_EQ(events(), std::vector<std::string>{"have cart key2 root"});
}

TEST_F(IdentityStoreTest, JitterMovesTheRenewalForward) {
  chance_ = 1.0;
  begin();
  clock_.advance(minutes(24 * 60 * 4 / 10) + seconds(1));
  store_.run_due();
  EXPECT_EQ(issuer_.asked.size(), 1U);
}

TEST_F(IdentityStoreTest, RetriesWithDoublingBackoffUpToItsLimit) {
  chance_ = 1.0;  // the whole backoff
  store_.set_wanted({kCart});
  for (const int expected : {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}) {
    store_.run_due();
    refuse();
    clock_.advance(seconds(expected) - std::chrono::milliseconds(1));
    store_.run_due();
    EXPECT_TRUE(issuer_.asked.empty()) << expected;
    clock_.advance(std::chrono::milliseconds(1));
  }
  store_.run_due();
  answer("key1");
  EXPECT_TRUE(store_.findings().empty());
}

TEST_F(IdentityStoreTest, BackoffStaysAtItsLimitAfterDaysWithoutACa) {
  store_.set_wanted({kCart});
  for (int i = 0; i < 2000; ++i) {
    store_.run_due();
    refuse();
    clock_.advance(seconds(300));
  }
  EXPECT_EQ(store_.counts().issue_failures_total, 2000U);
}

TEST_F(IdentityStoreTest, ASilentCaCountsAsAFailureAndItsLateAnswerIsIgnored) {
  store_.set_wanted({kCart});
  store_.run_due();
  clock_.advance(seconds(31));
  store_.run_due();
  ASSERT_EQ(store_.findings().size(), 1U);
  EXPECT_EQ(store_.findings()[0].reason, Reason::identity_pending);
  answer("late");
  EXPECT_EQ(store_.find(kCart), nullptr);
  EXPECT_TRUE(events().empty());
}

TEST_F(IdentityStoreTest, ExpiryTakesTheKeyAwayAndSaysSo) {
  begin();
  clock_.advance(hours(12));
  store_.run_due();
  refuse();
  EXPECT_EQ(store_.findings().at(0).reason, Reason::identity_issue_failed);
  EXPECT_EQ(store_.findings().at(0).severity, model::Severity::kWarning);
  clock_.advance(hours(12));
  EXPECT_EQ(store_.find(kCart), nullptr);  // before anything ran
  store_.run_due();
  EXPECT_EQ(events(), std::vector<std::string>{"gone cart identity_expired"});
  EXPECT_EQ(store_.counts().expired, 1U);
  EXPECT_EQ(store_.counts().expired_total, 1U);
  EXPECT_EQ(store_.findings().at(0).reason, Reason::identity_expired);
  answer("key2");  // the retry that run_due() sent
  EXPECT_NE(store_.find(kCart), nullptr);
  EXPECT_EQ(store_.counts().expired, 0U);
}

TEST_F(IdentityStoreTest, AJumpOfTheWallClockExpiresToo) {
  begin();
  clock_.set_wall(clock_.wall_now() + hours(48));
  EXPECT_EQ(store_.find(kCart), nullptr);
  store_.run_due();
  EXPECT_EQ(issuer_.asked.size(), 1U);
}

TEST_F(IdentityStoreTest, DropsTheKeyWithTheLastPodAndForgetsAnAnswerInFlight) {
  begin();
  clock_.advance(hours(12));
  store_.run_due();
  store_.set_wanted({});
  EXPECT_EQ(events(), std::vector<std::string>{"gone cart none"});
  answer("key2");
  EXPECT_EQ(store_.find(kCart), nullptr);
  EXPECT_EQ(store_.run_due(), std::nullopt);
}

TEST_F(IdentityStoreTest, AnAnswerToAnEarlierLifeOfTheAccountIsIgnored) {
  store_.set_wanted({kCart});
  store_.run_due();
  store_.set_wanted({});
  store_.set_wanted({kCart});
  store_.run_due();
  ASSERT_EQ(issuer_.asked.size(), 2U);
  answer("old");
  EXPECT_EQ(store_.find(kCart), nullptr);
  answer("new");
  EXPECT_EQ(store_.find(kCart)->key.view(), "new");
}

TEST_F(IdentityStoreTest, RefusesAnAnswerForAnotherIdentity) {
  store_.set_wanted({kCart});
  store_.run_due();
  issuer_.asked.front().done(material({"cluster.local", "pay", "till"}, "k"));
  EXPECT_EQ(store_.find(kCart), nullptr);
  EXPECT_EQ(store_.counts().issue_failures_total, 1U);
}

TEST_F(IdentityStoreTest, RefusesAnExpiredAnswer) {
  store_.set_wanted({kCart});
  store_.run_due();
  answer("k", seconds(0));
  EXPECT_EQ(store_.find(kCart), nullptr);
}

TEST_F(IdentityStoreTest, AdoptsWhatSurvivedARestartWithoutAskingTheCa) {
  store_.set_wanted({kCart});
  store_.adopt(material({"cluster.local", "shop", "cart"}, "kept"));
  store_.run_due();
  EXPECT_TRUE(issuer_.asked.empty());
  EXPECT_EQ(store_.find(kCart)->key.view(), "kept");
}

TEST_F(IdentityStoreTest, AdoptsNothingUnwantedExpiredOrOfAnotherDomain) {
  store_.set_wanted({kCart});
  store_.adopt(material({"cluster.local", "pay", "till"}, "k"));
  store_.adopt(material({"cluster.local", "shop", "cart"}, "k", seconds(0)));
  store_.adopt(material({"other.example", "shop", "cart"}, "k"));
  EXPECT_TRUE(events().empty());
}

TEST_F(IdentityStoreTest, ANewTrustBundleIsPublishedWithEveryIdentityOnce) {
  begin();
  store_.set_trust({"root2", "root"});
  store_.set_trust({"root2", "root"});
  store_.set_trust({});
  EXPECT_EQ(events(), std::vector<std::string>{"have cart key1 root2"});
}

// A root that was replaced without a rotation: peers refuse what the former signed.
TEST_F(IdentityStoreTest, ACertificateThatTheNewBundleDoesNotTrustIsRenewedAtOnce) {
  const test::TestMesh mesh, other;
  const auto root_of = [](const test::TestMesh& of) {
    return tls::to_der(of.root.certificate.get());
  };
  store_.set_wanted({kCart});
  store_.run_due();
  issuer_.asked.front().done(mesh.material("shop", "cart"));
  issuer_.asked.pop_front();
  store_.set_trust({root_of(other), root_of(mesh)});
  store_.run_due();
  EXPECT_TRUE(issuer_.asked.empty()) << "a rotation keeps the old root long enough";
  store_.set_trust({root_of(other)});
  store_.run_due();
  ASSERT_EQ(issuer_.asked.size(), 1U);
  issuer_.asked.front().done(mesh.material("shop", "cart"));
  issuer_.asked.pop_front();
  clock_.advance(seconds(31));
  store_.run_due();
  EXPECT_EQ(issuer_.asked.size(), 1U) << "the CA itself had not read the new root yet";
}

TEST_F(IdentityStoreTest, ACertificateOfTheFutureDoesNotReplaceOneThatIsValid) {
  begin();
  clock_.advance(hours(13));
  store_.run_due();
  auto of_the_future = material(issuer_.asked.front().id, "key2");
  of_the_future.not_before += hours(8);
  of_the_future.not_after += hours(8);
  issuer_.asked.front().done(std::move(of_the_future));
  issuer_.asked.pop_front();
  EXPECT_TRUE(events().empty());
  EXPECT_EQ(store_.findings().size(), 1U);
  clock_.advance(minutes(10));
  store_.run_due();
  answer("key3");
  EXPECT_EQ(events(), std::vector<std::string>{"have cart key3 root"});
}

TEST_F(IdentityStoreTest, NamesThatSpiffeCannotExpressBecomeAFindingNotARequest) {
  store_.set_wanted({{"shop", "Cart"}, {"shop", "a/../b"}});
  store_.run_due();
  EXPECT_TRUE(issuer_.asked.empty());
  EXPECT_EQ(store_.findings().size(), 2U);
  EXPECT_EQ(store_.findings()[0].reason, Reason::spiffe_id_malformed);
}

TEST_F(IdentityStoreTest, SaysWhenItWantsToBeWoken) {
  EXPECT_EQ(store_.run_due(), std::nullopt);
  store_.set_wanted({kCart});
  EXPECT_EQ(store_.run_due(), clock_.now() + seconds(30));  // the request's timeout
  answer("key1", seconds(100));
  EXPECT_EQ(store_.run_due(), clock_.now() + seconds(50));
  clock_.advance(seconds(50));
  store_.run_due();
  chance_ = 1.0;
  refuse();
  EXPECT_EQ(store_.run_due(), clock_.now() + seconds(1));
}

TEST_F(IdentityStoreTest, AnAnswerAfterTheStoresEndTouchesNothing) {
  auto store = std::make_unique<IdentityStore>(
      "cluster.local", IdentityStore::Seams{clock_, issuer_, recorder_, [] { return 0.0; }});
  store->set_wanted({kCart});
  store->run_due();
  store.reset();
  answer("late");
  EXPECT_TRUE(events().empty());
}

}  // namespace
}  // namespace keelson::identity
