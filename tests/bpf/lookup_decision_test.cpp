// The inbound decision, row by row, by test-running sk_lookup: no traffic, rows written by hand.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <ctime>

#include "base/fd.h"
#include "base/ip_address.h"
#include "datapath_programs.h"

namespace keelson::test {

namespace {

constexpr uint64_t kPod = 1001, kNeighbour = 1002;
constexpr uint64_t kAlice = 0xa11ce, kBob = 0xb0b, kEve = 0xe4e;

IpAddress ip(const char* text) {
  return IpAddress::parse(text).value();
}

uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

class LookupDecision : public testing::Test {
 protected:
  // `reason`: the counter that moved; none for loopback and for attested connections that pass.
  struct Answer {
    bool pass = false;
    uint64_t listener = 0;  // socket cookie; 0: to the application
    ks_reason reason = KS_REASON_none;
    bool operator==(const Answer&) const = default;
    friend std::ostream& operator<<(std::ostream& out, const Answer& answer) {
      return out << (answer.pass ? "pass " : "drop ") << answer.listener << " reason "
                 << static_cast<int>(answer.reason);
    }
  };
  static Answer pass(ks_reason reason) { return {true, 0, reason}; }
  static Answer drop(ks_reason reason) { return {false, 0, reason}; }
  Answer steer(ks_reason reason, ks_role role, ks_family family = KS_FAMILY_4) const {
    return {true, cookie_of(listeners_[KS_LISTENER_INDEX(0, family, role)]), reason};
  }

  static void SetUpTestSuite() {
    if (DatapathPrograms::unavailable().empty()) programs_ = std::make_unique<DatapathPrograms>();
  }
  static void TearDownTestSuite() { programs_.reset(); }

  void SetUp() override {
    if (!programs_) GTEST_SKIP() << DatapathPrograms::unavailable();
    programs_->clear_configuration();
    programs_->take_events();
    pod_.identity = 0xb;
    put_pod();
    for (const char* own : {"10.1.0.2", "fd01::2"})
      put_address(own, kPod, 0xb, KS_ADDRESS_LOCAL | KS_ADDRESS_READY);
    put_address("10.1.0.3", kNeighbour, kAlice, KS_ADDRESS_LOCAL | KS_ADDRESS_READY);
    put_address("10.2.0.4", 0, kEve, KS_ADDRESS_REMOTE | KS_ADDRESS_READY);
    put_address("10.2.0.5", 0, kEve, KS_ADDRESS_REMOTE);
    make_listeners();
  }

  void put_pod() { programs_->put("ks_pod", kPod, pod_); }
  void put_address(const char* address, uint64_t pod, uint64_t identity, uint32_t flags) {
    programs_->put("ks_address", ip(address).raw(), ks_address{pod, identity, flags, 0});
  }
  void put_port(uint16_t port, uint32_t flags) {
    programs_->put("ks_port", ks_port_key{kPod, port, 0, 0}, ks_port{flags});
  }
  // Policy rows of one set.
  void put_set(uint64_t set, uint32_t flags, uint32_t class_default) {
    programs_->put("ks_set", set, ks_set{flags, class_default});
  }
  void put_class(uint64_t set, uint64_t identity, uint32_t identity_class) {
    programs_->put("ks_class_id", ks_class_id_key{set, identity}, identity_class);
  }
  void put_row(uint64_t set, uint32_t identity_class, ks_verdict verdict, uint64_t policy,
               bool deny = false, uint16_t address_class = 0, uint16_t port_class = 0) {
    programs_->put("ks_policy", ks_policy_key{set, identity_class, address_class, port_class},
                   ks_policy{policy, static_cast<uint8_t>(verdict), deny, {}});
  }
  void use_set(uint64_t first, uint64_t second = 0) {
    pod_.policy_set[0] = first;
    pod_.policy_set[1] = second;
    put_pod();
  }
  void attest(const char* source, uint16_t source_port, const char* own, uint16_t port,
              ks_kind kind, uint64_t identity = kAlice, uint64_t receiver = kPod) {
    ks_attestation row{};
    row.kind = static_cast<uint8_t>(kind);
    row.source_pod = kNeighbour;
    row.source_identity = identity;
    row.receiver_pod = receiver;
    programs_->put("ks_tuple",
                   ks_tuple_key{kPod, ip(source).raw(), ip(own).raw(), source_port, port, 0}, row);
  }

  void attempt(const char* source, uint16_t source_port, const char* own, uint16_t port) {
    programs_->put("ks_attempt", ks_tuple_key{kPod, ip(source).raw(), ip(own).raw(), 0, port, 0},
                   uint32_t{source_port});
  }

  Answer decide(const char* source, uint16_t source_port, const char* own, uint16_t port,
                int protocol = IPPROTO_TCP) {
    bpf_sk_lookup context{};
    const IpAddress from = ip(source), to = ip(own);
    context.protocol = protocol;
    context.remote_port = htons(source_port);
    context.local_port = port;
    if (from.is_v4()) {
      context.family = AF_INET;
      context.remote_ip4 = from.raw().word[3];
      context.local_ip4 = to.raw().word[3];
    } else {
      context.family = AF_INET6;
      std::memcpy(context.remote_ip6, from.raw().word, sizeof(context.remote_ip6));
      std::memcpy(context.local_ip6, to.raw().word, sizeof(context.local_ip6));
    }
    const auto before = counters();
    LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &context, .ctx_out = &context,
                .ctx_size_in = sizeof(context), .ctx_size_out = sizeof(context));
    EXPECT_EQ(bpf_prog_test_run_opts(programs_->program("ks_sk_lookup"), &run), 0);
    Answer answer{run.retval == SK_PASS, context.cookie, KS_REASON_none};
    const auto after = counters();
    for (size_t reason = 1; reason < after.size(); reason++)
      if (after[reason] != before[reason]) answer.reason = static_cast<ks_reason>(reason);
    return answer;
  }
  Answer plaintext(const char* source = "192.0.2.1", uint16_t port = 80) {
    return decide(source, 40000, "10.1.0.2", port);
  }
  Answer direct(uint64_t identity, uint16_t port = 80) {
    attest("10.1.0.3", 40000, "10.1.0.2", port, KS_KIND_DIRECT, identity);
    return decide("10.1.0.3", 40000, "10.1.0.2", port);
  }

  static std::array<uint64_t, 120> counters() {
    std::array<uint64_t, 120> all{};
    for (size_t reason = 0; reason < all.size(); reason++)
      all[reason] = programs_->count(static_cast<ks_reason>(reason));
    return all;
  }
  static uint64_t cookie_of(const Fd& socket) {
    uint64_t cookie = 0;
    socklen_t length = sizeof(cookie);
    getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &cookie, &length);
    return cookie;
  }
  void make_listeners() {
    for (const ks_family family : {KS_FAMILY_4, KS_FAMILY_6})
      for (const ks_role role : {KS_ROLE_OUTBOUND, KS_ROLE_HBONE, KS_ROLE_PLAIN}) {
        Fd made(socket(family == KS_FAMILY_4 ? AF_INET : AF_INET6, SOCK_STREAM, 0));
        sockaddr_storage address{};
        const Endpoint loopback{ip(family == KS_FAMILY_4 ? "127.0.0.1" : "::1"), 0};
        const socklen_t length = loopback.to_sockaddr(address);
        ASSERT_EQ(bind(made.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
        ASSERT_EQ(listen(made.get(), 1), 0);
        const uint32_t index = KS_LISTENER_INDEX(0u, family, role);
        programs_->put("ks_listener", index, static_cast<uint64_t>(made.get()));
        listeners_[index] = std::move(made);
      }
  }

  static inline std::unique_ptr<DatapathPrograms> programs_;
  ks_pod pod_{};
  std::array<Fd, KS_LISTENERS_PER_POD> listeners_;
};

TEST_F(LookupDecision, LoopbackAndUdpAreNotOurs) {
  EXPECT_EQ(decide("127.0.0.1", 1, "127.0.0.9", 80), pass(KS_REASON_none));
  EXPECT_EQ(decide("::1", 1, "::1", 80), pass(KS_REASON_none));
  EXPECT_EQ(decide("192.0.2.1", 1, "10.9.9.9", 80, IPPROTO_UDP), pass(KS_REASON_none));
}

TEST_F(LookupDecision, AttestedKindsGoWhereTheyBelongWhateverTheMode) {
  pod_.flags = KS_POD_STRICT | KS_POD_L7;
  put_pod();
  const struct {
    ks_kind kind;
    Answer want;
  } cases[] = {
      {KS_KIND_SELF, pass(KS_REASON_none)},
      {KS_KIND_PROBE, pass(KS_REASON_none)},
      {KS_KIND_DELIVER, pass(KS_REASON_none)},
      {KS_KIND_CAPTURE, steer(KS_REASON_none, KS_ROLE_OUTBOUND)},
      {KS_KIND_DIRECT, steer(KS_REASON_none, KS_ROLE_PLAIN)},
      {KS_KIND_NONE, drop(KS_REASON_unattested)},
      {KS_KIND_OUTSIDE, drop(KS_REASON_unattested)},
  };
  for (const auto& one : cases) {
    attest("10.1.0.3", 40000, "10.1.0.2", 80, one.kind);
    EXPECT_EQ(decide("10.1.0.3", 40000, "10.1.0.2", 80), one.want) << one.kind;
  }
}

TEST_F(LookupDecision, ATupleForAnotherPodIsRefused) {
  attest("10.1.0.3", 40000, "10.1.0.2", 80, KS_KIND_SELF, kAlice, kNeighbour);
  EXPECT_EQ(decide("10.1.0.3", 40000, "10.1.0.2", 80), drop(KS_REASON_tuple_mismatch));
}

TEST_F(LookupDecision, ATupleFitsItsFourTupleOnly) {
  attest("10.1.0.3", 40000, "10.1.0.2", 80, KS_KIND_SELF);
  EXPECT_EQ(decide("10.1.0.3", 40001, "10.1.0.2", 80), drop(KS_REASON_unattested));
  EXPECT_EQ(decide("10.1.0.3", 40000, "10.1.0.2", 81), drop(KS_REASON_unattested));
}

TEST_F(LookupDecision, AChangedSourcePortIsMatchedByTheLastAttemptThatStillWaits) {
  attempt("10.1.0.3", 40000, "10.1.0.2", 80);
  EXPECT_EQ(decide("10.1.0.3", 50001, "10.1.0.2", 80), drop(KS_REASON_unattested)) << "used up";
  attest("10.1.0.3", 40000, "10.1.0.2", 80, KS_KIND_DIRECT);
  EXPECT_EQ(decide("10.1.0.3", 50001, "10.1.0.2", 80), pass(KS_REASON_none));
  EXPECT_EQ(decide("10.1.0.3", 50001, "10.1.0.2", 81), drop(KS_REASON_unattested));
  EXPECT_EQ(decide("10.2.0.4", 50001, "10.1.0.2", 80), drop(KS_REASON_unattested));
  put_address("10.1.0.3", kNeighbour + 1, kAlice, KS_ADDRESS_LOCAL | KS_ADDRESS_READY);
  EXPECT_EQ(decide("10.1.0.3", 50001, "10.1.0.2", 80), drop(KS_REASON_unattested))
      << "another pod has the address now";
  programs_->erase("ks_address", ip("10.1.0.3").raw());
  EXPECT_EQ(decide("10.1.0.3", 50001, "10.1.0.2", 80), pass(KS_REASON_plaintext)) << "nobody's";
  put_address("10.1.0.3", kNeighbour, kAlice, KS_ADDRESS_LOCAL | KS_ADDRESS_READY);
  EXPECT_EQ(decide("10.1.0.3", 50001, "10.1.0.2", 80), pass(KS_REASON_none));
  attest("10.1.0.3", 40000, "10.1.0.2", 80, KS_KIND_DELIVER);
  EXPECT_EQ(decide("10.1.0.3", 50001, "10.1.0.2", 80), drop(KS_REASON_unattested));
}

// Under load the FIN of a server met the end of the proxy's own connection to it, and was shown as
// a refused connection of the pod to itself.
TEST_F(LookupDecision, APacketOfAConnectionThatHasJustEndedIsLateAndNotRefused) {
  const auto end = [&](const char* source, uint16_t source_port, const char* own, uint16_t port,
                       uint64_t ns_ago) {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    programs_->put("ks_ended",
                   ks_tuple_key{kPod, ip(source).raw(), ip(own).raw(), source_port, port, 0},
                   now.tv_sec * uint64_t{1000000000} + now.tv_nsec - ns_ago);
  };
  end("10.1.0.2", 80, "10.1.0.2", 40000, 1000);
  EXPECT_EQ(decide("10.1.0.2", 80, "10.1.0.2", 40000), drop(KS_REASON_late_packet));
  EXPECT_TRUE(programs_->take_events().empty());
  EXPECT_EQ(decide("10.1.0.2", 80, "10.1.0.2", 40001), drop(KS_REASON_unattested));
  EXPECT_FALSE(programs_->take_events().empty());
  end("10.1.0.2", 80, "10.1.0.2", 40000, KS_LATE_NS);
  EXPECT_EQ(decide("10.1.0.2", 80, "10.1.0.2", 40000), drop(KS_REASON_unattested)) << "no more";
  end("10.1.0.3", 40000, "10.1.0.2", 80, 1000);
  EXPECT_EQ(decide("10.1.0.3", 40000, "10.1.0.2", 80), drop(KS_REASON_late_packet));
  attest("10.1.0.3", 40000, "10.1.0.2", 80, KS_KIND_DIRECT);
  EXPECT_EQ(decide("10.1.0.3", 40000, "10.1.0.2", 80), pass(KS_REASON_none)) << "the port again";
  use_set(7);
  EXPECT_EQ(decide("10.1.0.3", 40000, "10.1.0.2", 80), drop(KS_REASON_policy_missing))
      << "what is attested is judged";
}

TEST_F(LookupDecision, HbonePortGoesToTheListenerOfItsFamily) {
  EXPECT_EQ(decide("10.2.0.4", 1, "10.1.0.2", KS_HBONE_PORT),
            steer(KS_REASON_hbone_accepted, KS_ROLE_HBONE));
  EXPECT_EQ(decide("fd02::4", 1, "fd01::2", KS_HBONE_PORT),
            steer(KS_REASON_hbone_accepted, KS_ROLE_HBONE, KS_FAMILY_6));
}

TEST_F(LookupDecision, AClosedListenerRefuses) {
  listeners_[KS_LISTENER_INDEX(0, KS_FAMILY_4, KS_ROLE_HBONE)].reset();
  EXPECT_EQ(decide("10.2.0.4", 1, "10.1.0.2", KS_HBONE_PORT), drop(KS_REASON_listener_missing));
}

TEST_F(LookupDecision, UnknownAndForeignLocalAddressesAreRefused) {
  EXPECT_EQ(decide("192.0.2.1", 1, "10.1.0.99", 80), drop(KS_REASON_unknown_local_address));
  EXPECT_EQ(decide("192.0.2.1", 1, "10.2.0.4", 80), drop(KS_REASON_unknown_local_address));
  EXPECT_EQ(decide("fe80::9", 1, "fe80::1", 80), drop(KS_REASON_unknown_local_address));
  programs_->erase("ks_pod", kPod);
  EXPECT_EQ(plaintext(), drop(KS_REASON_pod_record_missing));
}

TEST_F(LookupDecision, AnOpenPodLetsThroughWhatHasNoTupleAndJudgesWhatHasOne) {
  pod_.flags = KS_POD_STRICT | KS_POD_L7;
  for (const bool has_row : {false, true}) {
    if (has_row)
      put_pod();
    else
      programs_->erase("ks_pod", kPod);
    for (const char* own : {"10.1.0.2", "fd01::2"}) put_address(own, kPod, 0xb, KS_ADDRESS_OPEN);
    EXPECT_EQ(plaintext(), pass(KS_REASON_pod_open));
    EXPECT_EQ(plaintext("10.1.0.3"), pass(KS_REASON_pod_open)) << "a neighbour that passes it by";
    EXPECT_EQ(plaintext("10.2.0.4"), pass(KS_REASON_pod_open)) << "remote and ready";
    EXPECT_EQ(decide("fd02::4", 1, "fd01::2", KS_HBONE_PORT), pass(KS_REASON_pod_open));
  }
  put_set(7, 0, 1);
  put_row(7, 1, KS_DENY, 70, true);
  use_set(7);
  EXPECT_EQ(direct(kAlice), drop(KS_REASON_policy_denied));
  attest("fd01::3", 40000, "fd01::2", 80, KS_KIND_DIRECT);
  EXPECT_EQ(decide("fd01::3", 40000, "fd01::2", 80), drop(KS_REASON_policy_denied));
}

TEST_F(LookupDecision, AHandshakeThatOutlivesTheRowOfALeavingPodIsLetThrough) {
  attest("10.1.0.3", 40000, "10.1.0.2", 80, KS_KIND_DIRECT);
  programs_->erase("ks_pod", kPod);
  EXPECT_EQ(decide("10.1.0.3", 40000, "10.1.0.2", 80), drop(KS_REASON_pod_record_missing));
  put_address("10.1.0.2", kPod, 0xb, KS_ADDRESS_OPEN);
  EXPECT_EQ(decide("10.1.0.3", 40000, "10.1.0.2", 80), pass(KS_REASON_pod_open));
}

TEST_F(LookupDecision, AnOpenPodIsNobodysNeighbourAndItsClaimCanOnlyDeny) {
  put_address("10.1.0.3", kNeighbour, kEve, KS_ADDRESS_OPEN);
  put_address("fd01::3", kNeighbour, kEve, KS_ADDRESS_OPEN);
  EXPECT_EQ(plaintext("10.1.0.3"), pass(KS_REASON_plaintext)) << "it has no attestation yet";
  EXPECT_EQ(decide("fd01::3", 1, "fd01::2", 80), pass(KS_REASON_plaintext));
  put_set(7, 0, 1);
  put_class(7, kEve, 3);
  put_row(7, KS_CLASS_NO_IDENTITY, KS_ALLOW, 10);
  put_row(7, 3, KS_DENY, 13, true);
  use_set(7);
  EXPECT_EQ(plaintext("10.1.0.3"), drop(KS_REASON_claimed_denied));
  EXPECT_EQ(decide("fd01::3", 1, "fd01::2", 80), drop(KS_REASON_claimed_denied));
}

TEST_F(LookupDecision, PlaintextOfPodsNeedsAttestation) {
  EXPECT_EQ(plaintext("10.1.0.3"), drop(KS_REASON_unattested)) << "enrolled on this node";
  EXPECT_EQ(plaintext("10.1.0.2"), drop(KS_REASON_unattested)) << "the pod's own address";
  EXPECT_EQ(plaintext("10.2.0.4"), drop(KS_REASON_unattested)) << "remote and ready";
  EXPECT_EQ(plaintext("10.2.0.5"), pass(KS_REASON_plaintext)) << "remote, not ready";
  EXPECT_EQ(plaintext(), pass(KS_REASON_plaintext)) << "outside the mesh";
  EXPECT_EQ(decide("fe80::9", 1, "fd01::2", 80), drop(KS_REASON_unattested)) << "on-link, nameless";
}

TEST_F(LookupDecision, GraceJudgesRemotePlaintextUntilItEnds) {
  pod_.grace_until_ns = now_ns() + 60'000'000'000u;
  put_pod();
  EXPECT_EQ(plaintext("10.2.0.4"), pass(KS_REASON_plaintext_grace));
  EXPECT_EQ(plaintext("10.1.0.3"), drop(KS_REASON_unattested)) << "this node knows its own pods";
  put_set(7, 0, 1);
  put_row(7, KS_CLASS_NO_IDENTITY, KS_ALLOW, 1);
  put_class(7, kEve, 2);
  put_row(7, 2, KS_ALLOW, 66, true);
  use_set(7);
  EXPECT_EQ(plaintext("10.2.0.4"), drop(KS_REASON_claimed_denied));
  use_set(0);
  pod_.flags = KS_POD_STRICT;
  put_pod();
  EXPECT_EQ(plaintext("10.2.0.4"), drop(KS_REASON_strict_plaintext));
  pod_.flags = 0;
  pod_.grace_until_ns = now_ns();
  put_pod();
  EXPECT_EQ(plaintext("10.2.0.4"), drop(KS_REASON_unattested));
}

TEST_F(LookupDecision, PortsOverrideTheModeOfThePod) {
  put_port(81, KS_PORT_STRICT);
  EXPECT_EQ(plaintext("192.0.2.1", 80), pass(KS_REASON_plaintext));
  EXPECT_EQ(plaintext("192.0.2.1", 81), drop(KS_REASON_strict_plaintext));
  pod_.flags = KS_POD_STRICT;
  put_pod();
  put_port(82, KS_PORT_PERMISSIVE);
  put_port(83, KS_PORT_PROBE);
  EXPECT_EQ(plaintext("192.0.2.1", 80), drop(KS_REASON_strict_plaintext));
  EXPECT_EQ(plaintext("192.0.2.1", 82), pass(KS_REASON_plaintext));
  EXPECT_EQ(plaintext("192.0.2.1", 83), drop(KS_REASON_strict_plaintext)) << "no probe tuple";
}

TEST_F(LookupDecision, L7PolicySteersPlaintextAfterTheL4Check) {
  pod_.flags = KS_POD_L7;
  put_pod();
  EXPECT_EQ(plaintext(), steer(KS_REASON_plain_l7, KS_ROLE_PLAIN));
  put_set(7, 0, 1);
  put_row(7, KS_CLASS_NO_IDENTITY, KS_DENY, 0);
  use_set(7);
  EXPECT_EQ(plaintext(), drop(KS_REASON_not_allowed));
}

TEST_F(LookupDecision, IdentityClassesDecideAttestedConnections) {
  put_set(7, 0, 1);
  put_class(7, kAlice, 2);
  put_class(7, kEve, 3);
  put_row(7, KS_CLASS_NO_IDENTITY, KS_DENY, 10);
  put_row(7, 1, KS_DENY, 11);
  put_row(7, 2, KS_ALLOW, 12);
  put_row(7, 3, KS_DENY, 13, true);
  use_set(7);
  put_address("10.1.0.3", kNeighbour, 0, KS_ADDRESS_LOCAL);  // claims nothing: see the next test
  EXPECT_EQ(direct(kAlice), pass(KS_REASON_none));
  EXPECT_EQ(direct(kBob), drop(KS_REASON_not_allowed)) << "class_default";
  EXPECT_EQ(direct(kEve), drop(KS_REASON_policy_denied));
  EXPECT_EQ(plaintext(), drop(KS_REASON_not_allowed)) << "no identity";
  const auto events = programs_->take_events();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[1].policy, 13u);
  EXPECT_EQ(events[1].source_identity, kEve);
  EXPECT_EQ(events[1].source_pod, kNeighbour);
  EXPECT_EQ(events[1].verdict, KS_DENY);
}

TEST_F(LookupDecision, ADenyBindsTheClaimedIdentityAndAnAllowDoesNot) {
  put_set(7, 0, 1);
  put_class(7, kEve, 3);
  put_row(7, KS_CLASS_NO_IDENTITY, KS_ALLOW, 10);
  put_row(7, 1, KS_ALLOW, 11);
  put_row(7, 3, KS_DENY, 13, true);
  use_set(7);
  EXPECT_EQ(plaintext("10.2.0.5"), drop(KS_REASON_claimed_denied)) << "looks like Eve";
  EXPECT_EQ(plaintext("192.0.2.1"), pass(KS_REASON_plaintext));
  put_address("10.1.0.3", kNeighbour, kEve, KS_ADDRESS_LOCAL);
  EXPECT_EQ(direct(kAlice), drop(KS_REASON_claimed_denied)) << "proves Alice, comes as Eve";
  // Eve allowed, nobody else: the claim must not open anything.
  put_row(7, KS_CLASS_NO_IDENTITY, KS_DENY, 10);
  put_row(7, 3, KS_ALLOW, 13, false);
  EXPECT_EQ(plaintext("10.2.0.5"), drop(KS_REASON_not_allowed));
}

TEST_F(LookupDecision, AddressAndPortClassesNarrowARule) {
  put_set(7, KS_SET_ADDRESSES | KS_SET_PORTS, 1);
  const auto block = [&](const char* address, uint32_t bits, uint32_t address_class) {
    const ks_class_addr_key key{64 + bits, 0, 7, ip(address).raw()};
    programs_->put("ks_class_addr", key, address_class);
  };
  block("192.0.2.0", 96 + 24, 1);
  block("192.0.2.64", 96 + 26, 2);
  block("fd77::", 16, 1);
  programs_->put("ks_class_port", ks_class_port_key{7, 8080, 0, 0}, uint32_t{1});
  for (uint16_t address_class = 0; address_class < 3; address_class++)
    for (uint16_t port_class = 0; port_class < 2; port_class++)
      put_row(7, KS_CLASS_NO_IDENTITY, address_class == 1 && port_class == 1 ? KS_ALLOW : KS_DENY,
              0, false, address_class, port_class);
  use_set(7);
  EXPECT_EQ(plaintext("192.0.2.1", 8080), pass(KS_REASON_plaintext));
  EXPECT_EQ(plaintext("192.0.2.65", 8080), drop(KS_REASON_not_allowed)) << "longer prefix";
  EXPECT_EQ(plaintext("192.0.3.1", 8080), drop(KS_REASON_not_allowed)) << "no block";
  EXPECT_EQ(plaintext("192.0.2.1", 80), drop(KS_REASON_not_allowed)) << "other port";
  EXPECT_EQ(decide("fd77::1", 1, "fd01::2", 8080), pass(KS_REASON_plaintext));
  EXPECT_EQ(decide("fd78::1", 1, "fd01::2", 8080), drop(KS_REASON_not_allowed));
  put_set(7, 0, 1);
  EXPECT_EQ(plaintext("192.0.2.1", 8080), drop(KS_REASON_not_allowed)) << "classes not in use";
}

TEST_F(LookupDecision, BothSetsMustAllow) {
  for (const uint64_t set : {7u, 8u}) {
    put_set(set, 0, 1);
    put_row(set, KS_CLASS_NO_IDENTITY, KS_ALLOW, set);
  }
  use_set(7, 8);
  EXPECT_EQ(plaintext(), pass(KS_REASON_plaintext));
  put_row(8, KS_CLASS_NO_IDENTITY, KS_DENY, 8);
  EXPECT_EQ(plaintext(), drop(KS_REASON_not_allowed));
  use_set(8, 7);
  EXPECT_EQ(plaintext(), drop(KS_REASON_not_allowed));
  use_set(0, 8);
  EXPECT_EQ(plaintext(), drop(KS_REASON_not_allowed));
}

TEST_F(LookupDecision, IncompleteSetsDeny) {
  use_set(7);
  EXPECT_EQ(plaintext(), drop(KS_REASON_policy_missing)) << "no set row";
  put_set(7, 0, 1);
  EXPECT_EQ(plaintext(), drop(KS_REASON_policy_missing)) << "no policy row";
  put_row(7, KS_CLASS_NO_IDENTITY, KS_ALLOW, 0);
  EXPECT_EQ(plaintext(), pass(KS_REASON_plaintext));
  EXPECT_EQ(plaintext("10.2.0.5"), drop(KS_REASON_policy_missing)) << "no row for the claim";
  use_set(7, 9);
  EXPECT_EQ(plaintext(), drop(KS_REASON_policy_missing)) << "second set";
}

}  // namespace keelson::test
