#include "identity/ca_issuer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ca/root_set.h"
#include "identity/identity_store.h"
#include "support/fake_clock.h"
#include "support/fake_rest.h"
#include "tls/certificates.h"

namespace keelson::identity {
namespace {

using Json = nlohmann::json;
using std::chrono::hours;
using std::chrono::seconds;

const tls::SpiffeId kCart{"cluster.local", "shop", "cart"};

// Lends the test's client to the issuer, which owns what it is given.
class LentRest final : public rest::Client {
 public:
  explicit LentRest(test::FakeRest& real) : real_(real) {}
  std::unique_ptr<rest::Call> send(rest::Request request, rest::OnAnswer on_answer) override {
    return real_.send(std::move(request), std::move(on_answer));
  }
  std::unique_ptr<rest::Call> open_stream(rest::StreamRequest request,
                                          rest::StreamHandler handler) override {
    return real_.open_stream(std::move(request), std::move(handler));
  }

 private:
  test::FakeRest& real_;
};

class CaIssuerTest : public ::testing::Test {
 protected:
  CaIssuerTest() { std::ofstream(folder_ + "/ca.crt") << roots_.bundle_pem(); }
  ~CaIssuerTest() override { std::filesystem::remove_all(folder_); }

  static std::string make_folder() {
    std::string path = ::testing::TempDir() + "keelson-issuer-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) abort();
    return path;
  }

  // What keelson-ca would answer to the request that is under way.
  Json answer(const tls::SpiffeId& id, std::string csr = {}) {
    if (csr.empty()) csr = Json::parse(api_.call("/v1/sign")->body)["csr"];
    const auto request = ca::CertificateRequest::parse(csr);
    const auto leaf =
        ca::sign_leaf(roots_.signing, {"cluster.local"}, *request, id, clock_.wall_now());
    return {{"chain", tls::to_pem(leaf->get())}, {"trust", roots_.bundle_pem()}};
  }

  test::FakeClock clock_;
  const std::string folder_ = make_folder();
  ca::RootSet roots_ =
      std::move(*ca::advance_roots({}, ca::RotationStep::kMakeRoot, {}, clock_.wall_now()));
  test::FakeRest api_;
  std::vector<rest::Server> servers_;
  std::vector<std::vector<std::string>> trusted_;
  CaIssuer issuer_{
      {"https://ca:15012", folder_ + "/ca.crt", []() -> Result<std::string> { return "token"; }},
      [this](rest::Server server) -> std::unique_ptr<rest::Client> {
        servers_.push_back(std::move(server));
        return std::make_unique<LentRest>(api_);
      },
      [this](const auto& roots) { trusted_.push_back(roots); }};
};

TEST_F(CaIssuerTest, AsksWithAFreshKeyAndTrustsTheBundleOnly) {
  std::vector<std::string> keys;
  for (int i = 0; i < 2; ++i) {
    std::optional<Result<tls::KeyMaterial>> got;
    issuer_.issue(kCart, [&](Result<tls::KeyMaterial> material) { got = std::move(material); });
    const auto call = api_.call("/v1/sign");
    EXPECT_EQ(call->method, "POST");
    const Json body = Json::parse(call->body);
    EXPECT_EQ(body["namespace"], "shop");
    EXPECT_EQ(body["serviceAccount"], "cart");
    api_.answer("/v1/sign", 200, answer(kCart).dump());
    ASSERT_TRUE(got && *got) << got->error().message();
    EXPECT_EQ((*got)->id, kCart);
    EXPECT_EQ((*got)->not_after, clock_.wall_now() + hours(24));
    keys.emplace_back((*got)->key.view());
  }
  EXPECT_NE(keys[0], keys[1]);
  ASSERT_EQ(servers_.size(), 1U);
  EXPECT_EQ(servers_[0].url, "https://ca:15012");
  EXPECT_EQ(servers_[0].ca_pem, roots_.bundle_pem());
  EXPECT_EQ(*servers_[0].token(), "token");
  EXPECT_EQ(trusted_.size(), 1U);
}

TEST_F(CaIssuerTest, DoesNotTakeWhatItDidNotAskFor) {
  const auto other_key = std::move(*tls::generate_p256_key());
  const std::string other_csr = *ca::make_certificate_request(other_key.get(), kCart);
  const auto without = [](Json body, const char* name) {
    body.erase(name);
    return body.dump();
  };
  for (int i = 0; i < 8; ++i) {
    std::optional<Result<tls::KeyMaterial>> got;
    issuer_.issue(kCart, [&](Result<tls::KeyMaterial> material) { got = std::move(material); });
    const std::string csr = Json::parse(api_.call("/v1/sign")->body)["csr"];
    const Json good = answer(kCart);
    Json leaf_as_root = good, root_as_leaf = good;
    leaf_as_root["trust"] = good["chain"];
    root_as_leaf["chain"] = good["trust"];
    const std::string bodies[] = {answer(kCart, other_csr).dump(),
                                  without(good, "chain"),
                                  without(good, "trust"),
                                  leaf_as_root.dump(),
                                  root_as_leaf.dump(),
                                  "{}",
                                  "<html>",
                                  ""};
    api_.answer("/v1/sign", 200, bodies[i]);
    ASSERT_TRUE(got);
    ASSERT_FALSE(*got) << "case " << i;
    EXPECT_EQ(got->error().reason, Reason::identity_issue_failed);
  }
  EXPECT_EQ(issuer_.counts().bad_answers_total, 8U);
  EXPECT_EQ(issuer_.counts().issued_total, 0U);
  EXPECT_EQ(trusted_.size(), 1U) << "the file's; no bad answer added a root";
}

TEST_F(CaIssuerTest, ANewRootInAnAnswerIsTrustedAndUsedForTheNextRequest) {
  const auto ask = [this] {
    std::optional<Result<tls::KeyMaterial>> got;
    issuer_.issue(kCart, [&](Result<tls::KeyMaterial> material) { got = std::move(material); });
    api_.answer("/v1/sign", 200, answer(kCart).dump());
    return got && *got;
  };
  ASSERT_TRUE(ask());
  roots_ =
      std::move(*ca::advance_roots(roots_, ca::RotationStep::kMakeNext, {}, clock_.wall_now()));
  ASSERT_TRUE(ask());
  ASSERT_TRUE(ask());
  ASSERT_EQ(trusted_.size(), 2U);
  EXPECT_EQ(trusted_.back().size(), 2U);
  EXPECT_EQ(servers_.back().ca_pem, roots_.bundle_pem());
  EXPECT_EQ(servers_.size(), 2U);
}

struct Observer final : IdentityObserver {
  void on_identity(const tls::KeyMaterial&) override { ++published; }
  void on_identity_gone(const tls::SpiffeId&, Reason) override { ++gone; }
  int published = 0, gone = 0;
};

TEST_F(CaIssuerTest, ACaThatIsAwayForTwelveHoursChangesNothingAndIsAskedWithBackoff) {
  Observer observer;
  IdentityStore store("cluster.local", {clock_, issuer_, observer, [] { return 0.5; }});
  store.set_wanted({{"shop", "cart"}});
  store.run_due();
  api_.answer("/v1/sign", 200, answer(kCart).dump());
  ASSERT_NE(store.find({"shop", "cart"}), nullptr);
  const size_t asked_before = api_.calls_made();
  for (int second = 0; second < 24 * 3600 - 600; second += 10) {
    clock_.advance(seconds(10));
    store.run_due();
    if (api_.is_called("/v1/sign")) api_.fail("/v1/sign");
    ASSERT_NE(store.find({"shop", "cart"}), nullptr) << "after " << second << " s";
  }
  EXPECT_EQ(observer.gone, 0);
  const size_t asked = api_.calls_made() - asked_before;
  EXPECT_GT(asked, 100U);
  EXPECT_LT(asked, 300U) << "5 minutes apart, not in a tight loop";
  clock_.advance(seconds(700));
  store.run_due();
  EXPECT_EQ(store.find({"shop", "cart"}), nullptr) << "expired: closed";
  while (!api_.is_called("/v1/sign")) {
    clock_.advance(seconds(10));
    store.run_due();
  }
  api_.answer("/v1/sign", 200, answer(kCart).dump());
  EXPECT_NE(store.find({"shop", "cart"}), nullptr);
}

}  // namespace
}  // namespace keelson::identity
