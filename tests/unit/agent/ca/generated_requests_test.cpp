// 10,000 generated requests from nodes, many of them compromised: what a node may have is decided a
// second time here, by other code, from the world that the generator made.
#include <gtest/gtest.h>

#include <random>

#include "ca/signing_service.h"
#include "ca_fakes.h"
#include "support/fake_clock.h"
#include "tls/peer_identity.h"

namespace keelson::ca {
namespace {

using std::chrono::seconds;
using Phase = PodRecord::Phase;
using Extensions = std::vector<std::pair<int, std::string>>;

constexpr int kNodes = 6;
constexpr int kTries = 10'000;

struct Try {
  int node = 0;
  SignRequest request;
  ReviewedToken token;
  bool is_token_good = true;
  bool is_csr_good = true;
};

class Generator {
 public:
  explicit Generator(unsigned seed, WallTime now) : random_(seed), now_(now) {
    for (int node = 0; node < kNodes; ++node)
      world.push_back(test::agent_pod(name("n", node), name("agent-", node), name("a", node)));
    for (int i = 0; i < 60; ++i) world.push_back(make_pod(i));
  }

  Try next() {
    Try made;
    made.node = pick(kNodes);
    made.token =
        test::agent_token(name("n", made.node), name("agent-", made.node), name("a", made.node));
    made.request.token = "token";
    choose_account(made);
    if (pick(4) == 0) spoil_token(made);
    make_csr(made);
    return made;
  }

  std::vector<PodRecord> world;
  const EVP_PKEY* key() const { return key_.get(); }

 private:
  static std::string name(const char* prefix, int number) {
    return prefix + std::to_string(number);
  }
  int pick(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }

  PodRecord make_pod(int number) {
    PodRecord pod{name("ns", pick(3)),
                  name("pod-", number),
                  name("u", number),
                  name("n", pick(kNodes)),
                  name("sa", pick(8)),
                  Phase::kRunning,
                  false,
                  false,
                  std::nullopt};
    switch (pick(8)) {
      case 0:
        pod.phase = pick(2) == 0 ? Phase::kSucceeded : Phase::kFailed;
        break;
      case 1:
        pod.phase = pick(2) == 0 ? Phase::kPending : Phase::kUnknown;
        break;
      case 2:
        pod.host_network = true;
        break;
      case 3:
        pod.is_mirror = true;
        break;
      case 4:
        pod.ends_at = now_ + seconds(pick(5) - 2);
        break;
      case 5:
        pod.node.clear();  // not scheduled
        break;
      default:
        break;
    }
    return pod;
  }

  // Mostly of a pod that exists, somewhere; else of none, or a name that is none.
  void choose_account(Try& made) {
    const PodRecord& pod = world[static_cast<size_t>(pick(static_cast<int>(world.size())))];
    made.request.ns = pod.ns;
    made.request.service_account = pod.service_account;
    switch (pick(8)) {
      case 0:
        made.request.service_account = name("sa", pick(10));
        break;
      case 1:
        made.request.ns = name("ns", pick(4));
        break;
      case 2: {
        static const char* const kHostile[] = {"",      "sa1/../sa2", "SA1",  "sa1%2f", "sa1\nsa2",
                                               "sa1\0", "*",          "sa1 ", ".",      "default"};
        made.request.service_account = kHostile[pick(10)];
        break;
      }
      default:
        break;
    }
  }

  void spoil_token(Try& made) {
    made.is_token_good = false;
    auto& extra = made.token.extra;
    const std::string other = name("n", (made.node + 1 + pick(kNodes - 1)) % kNodes);
    switch (pick(9)) {
      case 0:
        made.token.authenticated = false;
        break;
      case 1:
        made.token.audiences = {pick(2) == 0 ? "https://kubernetes.default.svc" : "keelson-c"};
        break;
      case 2:
        made.token.audiences.clear();
        break;
      case 3:
        made.token.username = "system:serviceaccount:" + made.request.ns + ":keelson-agent";
        break;
      case 4:  // a token of this node's agent with another node's name in it
        extra["authentication.kubernetes.io/node-name"] = {other};
        break;
      case 5:
        extra["authentication.kubernetes.io/node-name"].push_back(other);
        break;
      case 6:
        extra.erase(pick(2) == 0 ? "authentication.kubernetes.io/node-name"
                                 : "authentication.kubernetes.io/pod-uid");
        break;
      case 7:  // the agent's pod was made again
        extra["authentication.kubernetes.io/pod-uid"] = {"gone"};
        break;
      case 8:
        extra["authentication.kubernetes.io/pod-name"] = {"pod-1"};
        break;
    }
  }

  void make_csr(Try& made) {
    const std::string own =
        "URI:spiffe://cluster.local/ns/" + made.request.ns + "/sa/" + made.request.service_account;
    const std::string foreign = "URI:spiffe://cluster.local/ns/ns0/sa/not-mine";
    std::string& csr = made.request.csr;
    switch (pick(12)) {
      case 0:
        csr = test::make_csr(key_.get(), {{NID_subject_alt_name, foreign}});
        made.is_csr_good = false;
        break;
      case 1:
        csr = test::make_csr(key_.get(), {{NID_subject_alt_name, foreign + "," + foreign + "2"}});
        made.is_csr_good = false;
        break;
      case 2:  // greedy, but good: nothing it asks for is looked at
        csr = test::make_csr(key_.get(), {{NID_basic_constraints, "critical,CA:TRUE"},
                                          {NID_key_usage, "keyCertSign,cRLSign"}});
        break;
      case 3:
        csr = test::make_csr(key_.get(), {}, thief_.get());
        made.is_csr_good = false;
        break;
      case 4:
        csr = test::make_csr(p384_.get(), {});
        made.is_csr_good = false;
        break;
      case 5:
        csr = test::make_csr(key_.get(), {});
        csr.resize(static_cast<size_t>(pick(static_cast<int>(csr.size()))));
        made.is_csr_good = false;
        break;
      case 6: {
        csr = test::make_csr(key_.get(), {});
        auto& byte = csr[static_cast<size_t>(pick(static_cast<int>(csr.size())))];
        byte = static_cast<char>(byte ^ (1 << pick(8)));
        made.is_csr_good = false;
        break;
      }
      default:
        csr = test::make_csr(key_.get(), {});
        break;
    }
  }

  std::mt19937 random_;
  const WallTime now_;
  const tls::KeyPtr key_ = std::move(*tls::generate_p256_key());
  const tls::KeyPtr thief_ = std::move(*tls::generate_p256_key());
  const tls::KeyPtr p384_{EVP_EC_gen("P-384")};
};

// The rule in other words, over the whole world.
bool may_have(const Try& made, const std::vector<PodRecord>& world, WallTime now) {
  const std::string node = "n" + std::to_string(made.node);
  for (const PodRecord& pod : world) {
    const bool is_asked =
        pod.ns + "/" + pod.service_account == made.request.ns + "/" + made.request.service_account;
    const bool is_alive = pod.phase == Phase::kRunning || pod.phase == Phase::kPending;
    const bool is_there = !pod.ends_at || *pod.ends_at > now;
    if (is_asked && is_alive && is_there && pod.node == node && !pod.host_network && !pod.is_mirror)
      return true;
  }
  return false;
}

TEST(GeneratedRequests, NoNodeGetsAnIdentityWithoutALivePodOfItsOwn) {
  test::FakeClock clock;
  Generator generator(20261128, clock.wall_now());
  test::FakeTokens tokens;
  test::FakePods pods;
  pods.pods = generator.world;
  const auto log = std::move(*IssuanceLog::open({}));
  const RootSet roots =
      std::move(*advance_roots({}, RotationStep::kMakeRoot, {}, clock.wall_now()));
  SigningService::Options options;
  options.leaf.trust_domain = "cluster.local";
  options.rate = {.burst = kTries, .per_minute = 1};
  SigningService service(options, {clock, tokens, pods, *log, [&] { return &roots; }});
  int granted = 0, owed = 0, unjust = 0;
  std::map<Reason, int> refused;
  for (int i = 0; i < kTries; ++i) {
    const Try made = generator.next();
    tokens.known["token"] = made.token;
    const bool is_owed =
        made.is_token_good && made.is_csr_good && may_have(made, generator.world, clock.wall_now());
    owed += is_owed ? 1 : 0;
    service.sign(made.request, [&](Result<SignAnswer> answer) {
      if (!answer) {
        ++refused[answer.error().reason];
        EXPECT_FALSE(is_owed) << answer.error().message();
        return;
      }
      ++granted;
      unjust += is_owed ? 0 : 1;
      const auto chain = tls::read_certificates(answer->chain);
      const auto identity = tls::peer_identity(chain->front().get());
      ASSERT_TRUE(identity) << identity.error().message();
      EXPECT_EQ(identity->id.ns, made.request.ns);
      EXPECT_EQ(identity->id.service_account, made.request.service_account);
      EXPECT_FALSE(tls::is_issuer(chain->front().get()));
      EXPECT_EQ(EVP_PKEY_eq(X509_get0_pubkey(chain->front().get()), generator.key()), 1);
    });
  }
  EXPECT_EQ(unjust, 0) << "of " << kTries;
  EXPECT_EQ(granted, owed);
  EXPECT_GT(owed, 500) << "the generator must be able to succeed";
  for (const Reason reason :
       {Reason::ca_token_refused, Reason::ca_audience_refused, Reason::ca_caller_refused,
        Reason::ca_node_unproven, Reason::ca_caller_gone, Reason::ca_no_live_pod,
        Reason::ca_pod_terminal, Reason::host_network, Reason::csr_malformed,
        Reason::csr_key_refused, Reason::csr_proof_failed, Reason::csr_identity_mismatch,
        Reason::spiffe_id_malformed})
    EXPECT_GT(refused[reason], 0) << reason_name(reason) << " was never tried";
  RecordProperty("granted", granted);
}

}  // namespace
}  // namespace keelson::ca
