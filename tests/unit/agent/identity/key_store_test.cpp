#include "identity/key_store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/content_id.h"
#include "identity/standalone_issuer.h"
#include "link/memfd.h"
#include "support/fake_clock.h"
#include "tls/tls_context.h"

namespace keelson::identity {
namespace {

using std::chrono::hours;
using test::FakeClock;
using Texts = std::vector<std::string>;

// Hold's store: outlives agents, forgets when it restarts.
class FakeVault final : public KeyVault {
 public:
  Result<void> put(std::string_view key, const Fd& sealed) override {
    if (is_down) return fail(Reason::hold_unreachable, ErrorSource::kInternal, "put");
    puts++;
    stored.insert_or_assign(std::string(key), Fd(::dup(sealed.get())));
    return {};
  }
  Result<void> drop(std::string_view key) override {
    if (is_down) return fail(Reason::hold_unreachable, ErrorSource::kInternal, "drop");
    stored.erase(std::string(key));
    return {};
  }
  Result<Fd> get(std::string_view key) override {
    if (is_down) return fail(Reason::hold_unreachable, ErrorSource::kInternal, "get");
    const auto found = stored.find(std::string(key));
    if (found == stored.end())
      return fail(Reason::not_found, ErrorSource::kInternal, std::string(key));
    return Fd(::dup(found->second.get()));
  }
  uint64_t connections() const noexcept override { return epoch; }
  void restart() {
    stored.clear();
    epoch++;
  }
  std::map<std::string, Fd> stored;
  bool is_down = false;
  uint64_t epoch = 1;
  int puts = 0;
};

class FakeIssuer final : public Issuer {
 public:
  explicit FakeIssuer(const FakeClock& clock) : clock_(clock) {}
  void issue(const tls::SpiffeId& id, Done done) override {
    asked++;
    if (is_down) return done(fail(Reason::cannot_reach, ErrorSource::kInternal, "CA"));
    tls::KeyMaterial made;
    made.id = id;
    made.key = tls::SecretBytes("key" + std::to_string(asked));
    made.chain = {"leaf"};
    made.trust = {"root"};
    made.not_before = clock_.wall_now();
    made.not_after = clock_.wall_now() + hours(24);
    done(std::move(made));
  }
  int asked = 0;
  bool is_down = false;

 private:
  const FakeClock& clock_;
};

uint64_t id_of(const ServiceAccount& account) {
  return content_id(tls::SpiffeId{"cluster.local", account.ns, account.name}.to_string());
}

class KeyStoreTest : public ::testing::Test {
 protected:
  // A new agent: what the old one knew is gone.
  KeyStore& start_agent() {
    keys_.clear();
    store_ = std::make_unique<KeyStore>(
        "cluster.local",
        KeyStore::Seams{clock_, issuer_, vault_,
                        [this](uint64_t identity, std::shared_ptr<const Fd> sealed) {
                          keys_[identity] = std::move(sealed);
                        },
                        [] { return 0.0; }});
    return *store_;
  }
  // The key that the proxy has; empty: none.
  std::string key_of(const ServiceAccount& account) {
    const auto found = keys_.find(id_of(account));
    if (found == keys_.end() || !found->second) return "";
    return text_of(*found->second);
  }
  std::string kept_key_of(const ServiceAccount& account) {
    char name[40];
    std::snprintf(name, sizeof name, "identity/%016llx",
                  static_cast<unsigned long long>(id_of(account)));
    const auto found = vault_.stored.find(name);
    return found == vault_.stored.end() ? "" : text_of(found->second);
  }
  static std::string text_of(const Fd& sealed) {
    auto text = link::read_sealed_memfd(sealed, tls::kKeyMaterialBytesMax);
    if (!text) return text.error().message();
    auto material = tls::decode_key_material(*text);
    if (!material) return material.error().message();
    return material->id.service_account + ":" + std::string(material->key.view()) + ":" +
           material->trust.front();
  }
  void wake_at(std::optional<MonotonicTime> time) {
    ASSERT_TRUE(time);
    clock_.advance(*time - clock_.now());
  }
  Texts reasons() {
    Texts names;
    for (const auto& finding : store_->findings()) names.emplace_back(reason_name(finding.reason));
    return names;
  }

  const ServiceAccount kCart{"shop", "cart"};
  const ServiceAccount kTill{"pay", "till"};
  FakeClock clock_;
  FakeVault vault_;
  FakeIssuer issuer_{clock_};
  std::map<uint64_t, std::shared_ptr<const Fd>> keys_;
  std::unique_ptr<KeyStore> store_;
};

TEST_F(KeyStoreTest, AWantedAccountsKeyGoesToTheProxyAndIntoHoldWithTheTrustBundle) {
  start_agent().set_wanted({kCart, kTill});
  EXPECT_EQ(key_of(kCart), "cart:key2:root");
  EXPECT_EQ(key_of(kTill), "till:key1:root");
  EXPECT_EQ(kept_key_of(kCart), key_of(kCart));
  EXPECT_EQ(vault_.stored.size(), 3u) << "and the index";
  EXPECT_EQ(reasons(), Texts{});
}

TEST_F(KeyStoreTest, ARestartedAgentTakesOverWhatHoldKeptWithoutACa) {
  start_agent().set_wanted({kCart});
  clock_.advance(hours(1));
  issuer_.is_down = true;
  issuer_.asked = 0;
  start_agent().set_wanted({kCart});
  EXPECT_EQ(key_of(kCart), "cart:key1:root");
  EXPECT_EQ(issuer_.asked, 0);
  EXPECT_EQ(reasons(), Texts{});
}

// An agent that starts while the API server is slow is woken before it knows of any pod.
TEST_F(KeyStoreTest, AnAgentThatDoesNotKnowItsPodsYetDropsNothing) {
  start_agent().set_wanted({kCart});
  issuer_.is_down = true;
  EXPECT_EQ(start_agent().run_due(), std::nullopt);
  EXPECT_EQ(kept_key_of(kCart), "cart:key1:root");
  store_->set_wanted({kCart});
  EXPECT_EQ(key_of(kCart), "cart:key1:root");
}

TEST_F(KeyStoreTest, WhatHoldKeptIsNotUsedOnceItHasExpired) {
  start_agent().set_wanted({kCart});
  clock_.advance(hours(25));
  issuer_.is_down = true;
  start_agent().set_wanted({kCart});
  EXPECT_EQ(key_of(kCart), "");
  EXPECT_EQ(reasons(), Texts{"identity_pending"});
}

TEST_F(KeyStoreTest, AForeignOrBrokenEntryInHoldIsReplaced) {
  start_agent().set_wanted({kCart, kTill});
  char name[40];
  std::snprintf(name, sizeof name, "identity/%016llx",
                static_cast<unsigned long long>(id_of(kCart)));
  vault_.stored.insert_or_assign(name, link::make_sealed_memfd("x", "garbage").value());
  start_agent().set_wanted({kCart});
  EXPECT_EQ(key_of(kCart), "cart:key3:root");
  EXPECT_EQ(kept_key_of(kCart), "cart:key3:root");
}

TEST_F(KeyStoreTest, AKeyIsRenewedAtHalfLifeAndReplacedInHold) {
  start_agent().set_wanted({kCart});
  clock_.advance(hours(11));
  store_->run_due();
  EXPECT_EQ(issuer_.asked, 1);
  clock_.advance(hours(1));
  store_->run_due();
  EXPECT_EQ(issuer_.asked, 2);
  EXPECT_EQ(key_of(kCart), "cart:key2:root");
  EXPECT_EQ(kept_key_of(kCart), "cart:key2:root");
}

TEST_F(KeyStoreTest, AnExpiredKeyIsTakenFromTheProxyAndFromHold) {
  start_agent().set_wanted({kCart});
  const WallTime issued = clock_.wall_now();
  issuer_.is_down = true;
  for (int i = 0; i < 3000; i++) {
    const auto next = store_->run_due();
    if (key_of(kCart).empty()) break;
    wake_at(next);
  }
  EXPECT_EQ(clock_.wall_now(), issued + hours(24)) << "exactly then";
  EXPECT_EQ(key_of(kCart), "");
  EXPECT_EQ(kept_key_of(kCart), "");
  EXPECT_EQ(reasons(), Texts{"identity_expired"});
  issuer_.is_down = false;
  clock_.advance(std::chrono::minutes(6));
  store_->run_due();
  EXPECT_EQ(key_of(kCart), kept_key_of(kCart));
  EXPECT_NE(key_of(kCart), "");
}

TEST_F(KeyStoreTest, TheLastPodsKeyIsDroppedEverywhere) {
  start_agent().set_wanted({kCart, kTill});
  store_->set_wanted({kTill});
  EXPECT_EQ(key_of(kCart), "");
  EXPECT_EQ(kept_key_of(kCart), "");
  EXPECT_EQ(kept_key_of(kTill), "till:key1:root");
  store_->set_wanted({});
  EXPECT_TRUE(vault_.stored.empty());
}

TEST_F(KeyStoreTest, WhatAnEarlierAgentLeftAndNobodyWantsNowIsDropped) {
  start_agent().set_wanted({kCart, kTill});
  start_agent().set_wanted({kTill});
  EXPECT_EQ(kept_key_of(kCart), "");
  EXPECT_EQ(key_of(kTill), "till:key1:root");
}

TEST_F(KeyStoreTest, WithoutHoldKeysAreUsedAtOnceAndKeptLater) {
  vault_.is_down = true;
  start_agent().set_wanted({kCart});
  EXPECT_EQ(key_of(kCart), "cart:key1:root");
  EXPECT_EQ(reasons(), Texts{"hold_unreachable"});
  store_->set_wanted({kTill});
  vault_.is_down = false;
  wake_at(store_->run_due());
  EXPECT_EQ(kept_key_of(kCart), "");
  EXPECT_EQ(kept_key_of(kTill), "till:key2:root");
  EXPECT_EQ(reasons(), Texts{});
}

TEST_F(KeyStoreTest, ADropThatHoldMissedIsDoneLater) {
  start_agent().set_wanted({kCart});
  vault_.is_down = true;
  store_->set_wanted({});
  EXPECT_EQ(key_of(kCart), "");
  EXPECT_NE(kept_key_of(kCart), "");
  vault_.is_down = false;
  store_->run_due();
  EXPECT_TRUE(vault_.stored.empty());
}

TEST_F(KeyStoreTest, ARestartedHoldGetsEverythingAgainAndNothingIsWrittenWithoutNeed) {
  start_agent().set_wanted({kCart});
  store_->run_due();
  const int puts = vault_.puts;
  store_->run_due();
  store_->set_wanted({kCart});
  EXPECT_EQ(vault_.puts, puts);
  vault_.restart();
  store_->run_due();
  EXPECT_EQ(kept_key_of(kCart), "cart:key1:root");
  EXPECT_EQ(vault_.stored.size(), 2u);
  start_agent().set_wanted({});
  EXPECT_TRUE(vault_.stored.empty()) << "the index is there again too";
}

TEST_F(KeyStoreTest, ANewRootReachesEveryProxyWithoutNewKeys) {
  start_agent().set_wanted({kCart});
  store_->set_trust({"new-root", "root"});
  store_->run_due();
  EXPECT_EQ(key_of(kCart), "cart:key1:new-root");
  EXPECT_EQ(kept_key_of(kCart), "cart:key1:new-root");
}

TEST(StandaloneIssuer, ABrokenCaIsAnErrorUntilItIsRepaired) {
  std::string base = ::testing::TempDir() + "keelson-standalone-XXXXXX";
  ASSERT_NE(mkdtemp(base.data()), nullptr);
  const std::string folder = base + "/ca";
  std::ofstream(folder) << "in the way";
  const SystemClock clock;
  StandaloneIssuer issuer({.folder = folder, .trust_domain = "cluster.local"}, clock);
  const tls::SpiffeId id{"cluster.local", "shop", "cart"};
  std::optional<Result<tls::KeyMaterial>> answer;
  const auto ask = [&] {
    issuer.issue(id, [&](Result<tls::KeyMaterial> result) { answer = std::move(result); });
  };
  ask();
  ASSERT_TRUE(answer);
  EXPECT_FALSE(*answer);
  EXPECT_FALSE(issuer.trust());
  std::filesystem::remove(folder);
  ask();
  ASSERT_TRUE(*answer) << answer->error().message();
  EXPECT_TRUE(tls::TlsContext::make(**answer));
  EXPECT_EQ(issuer.trust().value(), (*answer)->trust);
  std::filesystem::remove_all(base);
}

}  // namespace
}  // namespace keelson::identity
