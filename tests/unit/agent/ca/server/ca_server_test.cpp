// The whole way: IdentityStore's issuer, libcurl, TLS, HTTP, the signing service; only the API
// server's answers are fakes.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "ca/server/handler.h"
#include "ca/server/serving_certificate.h"
#include "ca_fakes.h"
#include "identity/ca_issuer.h"
#include "io/connect.h"
#include "rest/curl_client.h"
#include "serving/http_server.h"
#include "support/fake_clock.h"
#include "tls/tls_stream.h"

namespace keelson::ca {
namespace {

namespace fs = std::filesystem;

const tls::SpiffeId kCart{"cluster.local", "shop", "cart"};
const std::string kName = "keelson-ca.keelson-system.svc";

class CaServerTest : public ::testing::Test {
 protected:
  CaServerTest() {
    folder_ = ::testing::TempDir() + "keelson-ca-server-XXXXXX";
    if (mkdtemp(folder_.data()) == nullptr) abort();
    tokens_.known["good"] = test::agent_token("n1", "agent-1", "a1");
    pods_.pods = {test::agent_pod("n1", "agent-1", "a1"),
                  {"shop", "cart-1", "u1", "n1", "cart", PodRecord::Phase::kRunning, false, false,
                   std::nullopt}};
    keeper_.run();
    std::ofstream(bundle_file()) << store_.bundle;
    Fd listening = std::move(*io::listen_tcp({*IpAddress::parse("127.0.0.1"), 0}));
    sockaddr_storage bound{};
    socklen_t length = sizeof bound;
    ::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&bound), &length);
    port_ = Endpoint::from_sockaddr(bound)->port;
    serving::HttpLimits limits;
    limits.body_bytes_max = kSignBodyBytesMax;
    limits.connections_per_client_max = 4;
    server_ = std::make_unique<serving::HttpServer>(loop_, handler_, limits);
    const auto served = server_->serve(
        std::move(listening), serving::Surface::kNetwork,
        [this](std::unique_ptr<io::TcpStream> tcp,
               BlockPool& pool) -> Result<std::unique_ptr<io::ByteStream>> {
          KS_ASSIGN(auto context, certificate_.context(keeper_.usable(), clock_.wall_now()));
          KS_ASSIGN(std::unique_ptr<io::ByteStream> stream,
                    tls::TlsStream::accept({std::move(context), std::move(tcp), pool, signer_}));
          return stream;
        });
    EXPECT_TRUE(served);
    issuer_ = std::make_unique<identity::CaIssuer>(
        identity::CaIssuer::Options{"https://127.0.0.1:" + std::to_string(port_), bundle_file(),
                                    [this]() -> Result<std::string> { return token_; }},
        [this](rest::Server server) -> std::unique_ptr<rest::Client> {
          server.server_name = server_name_;
          return std::make_unique<rest::CurlClient>(loop_, clock_, std::move(server));
        },
        [this](const std::vector<std::string>& roots) { trusted_ = roots; });
  }
  ~CaServerTest() override {
    issuer_.reset();
    server_.reset();
    fs::remove_all(folder_);
  }
  std::string bundle_file() const { return folder_ + "/ca.crt"; }

  // Turns the loop until `done`; 10 s at most.
  void turn_until(const std::function<bool()>& done) {
    bool is_late = false;
    io::Timer limit(loop_, [&] { is_late = true; });
    limit.start(std::chrono::milliseconds(10'000));
    while (!done() && !is_late) loop_.run_once();
    EXPECT_FALSE(is_late);
  }
  Result<tls::KeyMaterial> issue(const tls::SpiffeId& id = kCart) {
    std::optional<Result<tls::KeyMaterial>> got;
    issuer_->issue(id, [&got](Result<tls::KeyMaterial> material) { got = std::move(material); });
    turn_until([&] { return got.has_value(); });
    if (!got) return fail(Reason::internal, ErrorSource::kInternal, "no answer");
    return std::move(*got);
  }
  Result<rest::Answer> ask(rest::Request request) {
    rest::Server server{
        "https://127.0.0.1:" + std::to_string(port_), kName, store_.bundle, "", "", nullptr};
    rest::CurlClient client(loop_, clock_, server);
    std::optional<Result<rest::Answer>> got;
    const auto call =
        client.send(std::move(request), [&](Result<rest::Answer> answer) { got = answer; });
    turn_until([&] { return got.has_value(); });
    if (!got) return fail(Reason::internal, ErrorSource::kInternal, "no answer");
    return *got;
  }

  const SystemClock clock_;
  std::string folder_;
  io::EventLoop loop_;
  test::FakeTokens tokens_;
  test::FakePods pods_;
  test::FakeRoots store_;
  RootKeeper keeper_{{}, store_, clock_};
  const std::unique_ptr<IssuanceLog> log_ = std::move(*IssuanceLog::open({}));
  SigningService service_{[] {
                            SigningService::Options options;
                            options.leaf.trust_domain = "cluster.local";
                            return options;
                          }(),
                          {clock_, tokens_, pods_, *log_, [this] { return keeper_.usable(); }}};
  ServingCertificate certificate_{{kName}};
  CaHandler handler_{{service_, keeper_, *log_, [this] { return certificate_.ends(); }}};
  tls::InlineSigner signer_;
  std::unique_ptr<serving::HttpServer> server_;
  uint16_t port_ = 0;
  std::string token_ = "good";
  std::string server_name_ = kName;
  std::vector<std::string> trusted_;
  std::unique_ptr<identity::CaIssuer> issuer_;
};

TEST_F(CaServerTest, AnAgentGetsAnIdentityThatWorks) {
  const auto material = issue();
  ASSERT_TRUE(material) << material.error().message();
  const auto context = tls::TlsContext::make(*material);
  ASSERT_TRUE(context) << context.error().message();
  EXPECT_EQ((*context)->id(), kCart);
  EXPECT_EQ(material->trust, trusted_);
  ASSERT_TRUE(issue());
  EXPECT_EQ(issuer_->counts().issued_total, 2U);
  EXPECT_EQ(server_->counts().accepted, 1U) << "one connection for both";
}

TEST_F(CaServerTest, AnAnswerThatTakesTimeComesWhenItIsThere) {
  tokens_.answers_later = true;
  std::optional<Result<tls::KeyMaterial>> got;
  issuer_->issue(kCart, [&got](Result<tls::KeyMaterial> material) { got = std::move(material); });
  turn_until([&] { return !tokens_.later.empty(); });
  EXPECT_FALSE(got);
  tokens_.later.front()();
  turn_until([&] { return got.has_value(); });
  EXPECT_TRUE(got && *got);
}

TEST_F(CaServerTest, AClientThatGoesAwayWhileItWaitsHarmsNobody) {
  tokens_.answers_later = true;
  issuer_->issue(kCart, [](Result<tls::KeyMaterial>) { ADD_FAILURE() << "called"; });
  turn_until([&] { return !tokens_.later.empty(); });
  issuer_.reset();
  turn_until([&] { return server_->connections() == 0; });
  tokens_.later.front()();
  EXPECT_EQ(service_.issued_total(), 1U) << "signed and logged, though nobody took it";
}

TEST_F(CaServerTest, ARefusalsReasonReachesTheAgent) {
  const auto other = issue({"cluster.local", "shop", "till"});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().reason, Reason::identity_issue_failed);
  EXPECT_NE(other.error().context.find("403: ca_no_live_pod"), std::string::npos)
      << other.error().context;
  token_ = "stolen";
  const auto stranger = issue();
  ASSERT_FALSE(stranger);
  EXPECT_NE(stranger.error().context.find("401: ca_token_refused"), std::string::npos);
  EXPECT_EQ(issuer_->counts().refused_total, 2U);
}

TEST_F(CaServerTest, ACaThatTheBundleDoesNotVouchForGetsNoToken) {
  const RootSet other =
      std::move(*advance_roots({}, RotationStep::kMakeRoot, {}, clock_.wall_now()));
  std::ofstream(bundle_file(), std::ios::trunc) << other.bundle_pem();
  const auto material = issue();
  ASSERT_FALSE(material);
  EXPECT_EQ(material.error().reason, Reason::certificate_untrusted) << material.error().message();
  EXPECT_TRUE(tokens_.asked_audience.empty());
}

TEST_F(CaServerTest, AnotherServerOfTheSameRootGetsNoToken) {
  server_name_ = "somebody-else.keelson-system.svc";
  EXPECT_FALSE(issue());
  EXPECT_TRUE(tokens_.asked_audience.empty());
}

TEST_F(CaServerTest, WithoutABundleNothingIsAskedAndWithOneAgainItIs) {
  fs::rename(bundle_file(), bundle_file() + ".away");
  const auto none = issue();
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().reason, Reason::trust_bundle_invalid);
  fs::rename(bundle_file() + ".away", bundle_file());
  EXPECT_TRUE(issue());
  fs::remove(bundle_file());
  EXPECT_TRUE(issue()) << "what was read once still counts";
}

TEST_F(CaServerTest, ANewRootReachesTheAgentWithItsCertificateAndTheServerFollows) {
  ASSERT_TRUE(issue());
  const auto before = trusted_;
  store_.is_rotation_asked = true;
  keeper_.run();
  ASSERT_TRUE(issue());
  ASSERT_EQ(trusted_.size(), 2U);
  EXPECT_EQ(trusted_.front(), before.front());
  // The switch itself is a matter of time: root_rotation_test. Here: the other root signs.
  auto switched = advance_roots(*keeper_.usable(), RotationStep::kSwitch, {}, clock_.wall_now());
  store_.files = std::move(*encode_roots(*switched));
  ++store_.version;
  keeper_.run();
  ASSERT_TRUE(issuer_->refresh_trust());
  const auto material = issue();
  ASSERT_TRUE(material) << material.error().message();
  EXPECT_EQ(trusted_.front(), tls::to_der(switched->signing.certificate.get()));
  EXPECT_TRUE(tls::TlsContext::make(*material));
}

TEST_F(CaServerTest, OtherPathsMethodsAndSizesAreRefused) {
  const auto status = [this](const char* method, const char* target, std::string body = {}) {
    rest::Request request;
    request.method = method;
    request.target = target;
    request.body = std::move(body);
    const auto answer = ask(std::move(request));
    return answer ? answer->status : -1;
  };
  EXPECT_EQ(status("GET", "/healthz"), 200);
  EXPECT_EQ(status("GET", "/readyz"), 200);
  EXPECT_EQ(status("GET", "/v1/sign"), 405);
  EXPECT_EQ(status("POST", "/metrics", "x"), 405);
  EXPECT_EQ(status("GET", "/"), 404);
  EXPECT_EQ(status("POST", "/v1/sign", "{}"), 401) << "no token";
  EXPECT_EQ(status("POST", "/v1/sign", std::string(kSignBodyBytesMax + 1, ' ')), 413);
}

TEST_F(CaServerTest, MetricsHaveEveryReasonFromTheStart) {
  rest::Request request;
  request.target = "/metrics";
  const auto answer = ask(request);
  ASSERT_TRUE(answer);
  for (const char* series : {"keelson_ca_certificates_issued_total 0",
                             "keelson_ca_requests_refused_total{reason=\"ca_no_live_pod\"} 0",
                             "keelson_ca_requests_refused_total{reason=\"ca_node_limit\"} 0",
                             "keelson_ca_requests_refused_total{reason=\"csr_proof_failed\"} 0",
                             "keelson_ca_roots 1", "keelson_ca_root_usable 1"})
    EXPECT_NE(answer->body.find(series), std::string::npos) << series << "\n" << answer->body;
}

TEST_F(CaServerTest, OneClientHasOnlySoManyConnections) {
  std::vector<Fd> open;
  for (int i = 0; i < 6; ++i) {
    open.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage to{};
    const socklen_t length = Endpoint{*IpAddress::parse("127.0.0.1"), port_}.to_sockaddr(to);
    ASSERT_EQ(::connect(open.back().get(), reinterpret_cast<sockaddr*>(&to), length), 0);
  }
  turn_until([&] { return server_->counts().accepted + server_->counts().refused >= 6; });
  EXPECT_EQ(server_->counts().accepted, 4U);
  EXPECT_EQ(server_->counts().refused, 2U);
}

}  // namespace
}  // namespace keelson::ca
