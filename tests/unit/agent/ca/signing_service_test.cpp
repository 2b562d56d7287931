#include "ca/signing_service.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "ca_fakes.h"
#include "support/fake_clock.h"
#include "tls/peer_identity.h"

namespace keelson::ca {
namespace {

class SigningServiceTest : public ::testing::Test {
 protected:
  SigningServiceTest() {
    roots_ = std::move(*advance_roots({}, RotationStep::kMakeRoot, {}, clock_.wall_now()));
    log_ = std::move(*IssuanceLog::open({}));
    tokens_.known["good"] = test::agent_token("n1", "agent-1", "a1");
    pods_.pods = {test::agent_pod("n1", "agent-1", "a1"),
                  {"shop", "cart-1", "u1", "n1", "cart", PodRecord::Phase::kRunning, false, false,
                   std::nullopt}};
    open();
  }
  void open(SigningService::Options options = {}) {
    options.leaf.trust_domain = "cluster.local";
    service_ = std::make_unique<SigningService>(
        options, SigningService::Seams{clock_, tokens_, pods_, *log_, [this] { return usable_; }});
  }
  SignRequest wish(const std::string& account = "cart") {
    return {"good", "shop", account, test::make_csr(key_.get(), {})};
  }
  Result<SignAnswer> ask(SignRequest request) {
    std::optional<Result<SignAnswer>> got;
    service_->sign(std::move(request), [&got](Result<SignAnswer> answer) {
      EXPECT_FALSE(got) << "answered twice";
      got = std::move(answer);
    });
    if (!got) return fail(Reason::internal, ErrorSource::kInternal, "no answer");
    return std::move(*got);
  }
  Reason reason(SignRequest request) {
    const auto answer = ask(std::move(request));
    return answer ? Reason::none : answer.error().reason;
  }

  test::FakeClock clock_;
  test::FakeTokens tokens_;
  test::FakePods pods_;
  std::unique_ptr<IssuanceLog> log_;
  RootSet roots_;
  const RootSet* usable_ = &roots_;
  tls::KeyPtr key_ = std::move(*tls::generate_p256_key());
  std::unique_ptr<SigningService> service_;
};

TEST_F(SigningServiceTest, SignsForALivePodOfTheAskingNode) {
  const auto answer = ask(wish());
  ASSERT_TRUE(answer) << answer.error().message();
  const auto chain = tls::read_certificates(answer->chain);
  ASSERT_TRUE(chain);
  EXPECT_EQ(tls::peer_identity(chain->front().get())->id.to_string(),
            "spiffe://cluster.local/ns/shop/sa/cart");
  EXPECT_EQ(EVP_PKEY_eq(X509_get0_pubkey(chain->front().get()), key_.get()), 1);
  EXPECT_EQ(answer->trust, roots_.bundle_pem());
  EXPECT_EQ(answer->not_after, clock_.wall_now() + std::chrono::hours(24));
  EXPECT_EQ(tokens_.asked_audience, "keelson-ca");
  EXPECT_EQ(pods_.asked,
            (std::vector<std::string>{"n1/keelson-system/keelson-agent", "n1/shop/cart"}))
      << "the asked account last: its answer is the freshest";
  EXPECT_EQ(service_->issued_total(), 1U);
  EXPECT_EQ(service_->in_work(), 0U);
}

TEST_F(SigningServiceTest, EachRefusalHasItsReasonAndIsCounted) {
  const auto with = [this](auto change) {
    SignRequest request = wish();
    change(request);
    return request;
  };
  EXPECT_EQ(reason(with([](auto& r) { r.token = "other"; })), Reason::ca_token_refused);
  EXPECT_EQ(reason(with([](auto& r) { r.token = ""; })), Reason::ca_token_refused);
  EXPECT_EQ(reason(with([](auto& r) { r.token = "a b"; })), Reason::ca_token_refused);
  EXPECT_EQ(reason(with([](auto& r) { r.token = std::string(9000, 'a'); })),
            Reason::ca_token_refused);
  EXPECT_EQ(reason(with([](auto& r) { r.ns.clear(); })), Reason::ca_request_malformed);
  EXPECT_EQ(reason(with([](auto& r) { r.service_account.clear(); })), Reason::ca_request_malformed);
  EXPECT_EQ(reason(with([](auto& r) { r.csr.clear(); })), Reason::ca_request_malformed);
  EXPECT_EQ(reason(with([](auto& r) { r.ns = "Shop"; })), Reason::spiffe_id_malformed);
  EXPECT_EQ(reason(with([](auto& r) { r.service_account = "a/../b"; })),
            Reason::spiffe_id_malformed);
  EXPECT_EQ(reason(with([](auto& r) { r.csr = "x"; })), Reason::csr_malformed);
  EXPECT_EQ(reason(wish("till")), Reason::ca_no_live_pod);
  usable_ = nullptr;
  EXPECT_EQ(reason(wish()), Reason::ca_root_missing);
  usable_ = &roots_;
  pods_.failure = Error{Reason::cannot_reach, ErrorSource::kKube, true, 0, ""};
  EXPECT_EQ(reason(wish()), Reason::cannot_reach);
  pods_.failure.reset();
  pods_.pods.erase(pods_.pods.begin());
  EXPECT_EQ(reason(wish()), Reason::ca_caller_gone);
  tokens_.failure = Error{Reason::server_silent, ErrorSource::kKube, true, 0, ""};
  EXPECT_EQ(reason(wish()), Reason::server_silent);
  EXPECT_EQ(service_->refused_total(Reason::ca_token_refused), 4U);
  EXPECT_EQ(service_->refused_total(Reason::ca_caller_gone), 1U);
  EXPECT_EQ(service_->issued_total(), 0U);
  EXPECT_EQ(service_->in_work(), 0U);
}

TEST_F(SigningServiceTest, WhatCostsNothingToRefuseDoesNotReachTheApiServer) {
  tokens_.answers_later = true;
  usable_ = nullptr;
  EXPECT_EQ(reason(wish()), Reason::ca_root_missing);
  usable_ = &roots_;
  SignRequest garbage = wish();
  garbage.token = "\r\nX: y";
  EXPECT_EQ(reason(garbage), Reason::ca_token_refused);
  EXPECT_TRUE(tokens_.later.empty());
}

TEST_F(SigningServiceTest, ANodeThatAsksTooOftenIsStoppedAndAnotherIsNot) {
  open({.rate = {.burst = 3, .per_minute = 1}});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(reason(wish("till")), Reason::ca_no_live_pod);
  EXPECT_EQ(reason(wish()), Reason::ca_node_limit) << "refused requests cost as well";
  tokens_.known["good"] = test::agent_token("n2", "agent-2", "a2");
  EXPECT_EQ(reason(wish()), Reason::ca_caller_gone);
}

TEST_F(SigningServiceTest, OnlySoManyRequestsAreInWork) {
  open({.in_work_max = 2});
  tokens_.answers_later = true;
  int answered = 0;
  for (int i = 0; i < 2; ++i) service_->sign(wish(), [&](Result<SignAnswer>) { ++answered; });
  EXPECT_EQ(reason(wish()), Reason::ca_overloaded);
  EXPECT_EQ(answered, 0);
  for (const auto& answer : tokens_.later) answer();
  EXPECT_EQ(answered, 2);
  tokens_.answers_later = false;
  EXPECT_EQ(reason(wish()), Reason::none);
}

TEST_F(SigningServiceTest, APodThatGoesWhileItsAgentIsLookedUpGetsNothing) {
  int looks = 0;
  pods_.on_ask = [&] {
    if (++looks == 2) pods_.pods.pop_back();
  };
  EXPECT_EQ(reason(wish()), Reason::ca_no_live_pod);
}

TEST_F(SigningServiceTest, RootsThatAreGoneWhenTheSignatureIsDueSignNothing) {
  pods_.on_ask = [&] { usable_ = nullptr; };
  EXPECT_EQ(reason(wish()), Reason::ca_root_missing);
}

TEST_F(SigningServiceTest, AnAnswerThatComesAfterTheServiceIsGoneCallsNobody) {
  tokens_.answers_later = true;
  service_->sign(wish(), [](Result<SignAnswer>) { ADD_FAILURE() << "called"; });
  service_.reset();
  tokens_.later.front()();
}

TEST_F(SigningServiceTest, WithoutALogThereIsNoCertificate) {
  const Fd full(::open("/dev/full", O_WRONLY));
  if (!full) GTEST_SKIP() << "no /dev/full";
  log_ = std::move(*IssuanceLog::open({"", full.get()}));
  open();
  EXPECT_EQ(reason(wish()), Reason::issuance_log_failed);
  EXPECT_EQ(service_->issued_total(), 0U);
}

TEST_F(SigningServiceTest, RefusalsAreLoggedAtTheirRateAndCountedAlways) {
  std::string path = ::testing::TempDir() + "keelson-refusals-XXXXXX";
  const Fd file(::mkstemp(path.data()));
  log_ = std::move(*IssuanceLog::open({path, -1}));
  open({.refusal_lines = {.burst = 5, .per_minute = 1}});
  for (int i = 0; i < 100; ++i) {
    SignRequest request = wish();
    request.token = "unknown";
    EXPECT_EQ(reason(request), Reason::ca_token_refused);
  }
  char text[65536];
  const ssize_t size = ::pread(file.get(), text, sizeof text, 0);
  EXPECT_EQ(std::count(text, text + size, '\n'), 5);
  EXPECT_EQ(service_->refused_total(Reason::ca_token_refused), 100U);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace keelson::ca
