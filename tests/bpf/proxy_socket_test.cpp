// What the proxy's sockets may do: each role one thing, enforced in connect().
#include "hook_test.h"

namespace keelson::test {

class ProxySocket : public HookTest {
 protected:
  Endpoint client_seen() const {
    return {IpAddress::parse(family() == AF_INET ? "77.7.7.7" : "fd77::7").value(), 4242};
  }
  Endpoint loopback(uint16_t port) const {
    return {IpAddress::parse(family() == AF_INET ? "127.0.0.1" : "::1").value(), port};
  }
  void recycle(const Fd& socket) const {
    const sockaddr none{AF_UNSPEC, {}};
    ASSERT_EQ(connect(socket.get(), &none, sizeof(none)), 0);
  }
};
INSTANTIATE_TEST_SUITE_P(Families, ProxySocket, testing::Values(AF_INET, AF_INET6), family_name);

TEST_P(ProxySocket, DeliverReachesTheAppWhateverThePodsPolicyAndShowsTheNotedClient) {
  const Fd app = lab_->listen(kPodB, family(), 8080);
  ks_pod row = lab_->pod(kPodB);
  row.flags = KS_POD_STRICT | KS_POD_L7;
  lab_->put_pod(kPodB, row);
  const Fd proxy = lab_->tagged_socket(kPodB, family(), KS_ROLE_DIAL_DELIVER);
  programs_->put("ks_note", proxy.get(), client_seen().raw());
  ASSERT_EQ(dial(proxy, of(kPodB, 8080)), 0);
  Endpoint shown;
  const Fd accepted = accept_from(app.get(), &shown);
  EXPECT_EQ(shown, client_seen()) << "accept()";
  EXPECT_EQ(peer_of(accepted), client_seen()) << "getpeername()";
  EXPECT_TRUE(programs_->take_events().empty());
  EXPECT_EQ(programs_->size("ks_tuple"), 0u);
}

TEST_P(ProxySocket, RecyclingKeepsTheTagAndNothingElse) {
  const Fd app = lab_->listen(kPodB, family(), 8080);
  const Fd proxy = lab_->tagged_socket(kPodB, family(), KS_ROLE_DIAL_DELIVER);
  for (int life = 0; life < 50; life++) {
    const bool noted = life % 2 == 0;
    if (noted) programs_->put("ks_note", proxy.get(), client_seen().raw());
    ASSERT_EQ(dial(proxy, of(kPodB, 8080)), 0) << "life " << life;
    Endpoint shown;
    const Fd accepted = accept_from(app.get(), &shown);
    EXPECT_EQ(shown, noted ? client_seen() : name_of(proxy)) << "life " << life;
    recycle(proxy);
  }
  EXPECT_EQ(dial(proxy, of(kOutside, 8080)), EPERM);
  EXPECT_EQ(budget_of(kPodB), 0u);
}

TEST_P(ProxySocket, DeliverGoesNowhereElse) {
  const Fd neighbour = lab_->listen(kPodA, family(), 8080);
  const Fd app = lab_->listen(kPodB, family(), 8080);
  lab_->put_service({service_address(), 80}, 1, 0, {of(kPodB, 8080)});
  const Fd proxy = lab_->tagged_socket(kPodB, family(), KS_ROLE_DIAL_DELIVER);
  const IpAddress any = family() == AF_INET ? IpAddress::parse("0.0.0.0").value() : IpAddress();
  for (const Endpoint& to :
       {of(kOutside, 8080), of(kPodA, 8080), of(kPodB, KS_HBONE_PORT), loopback(8080),
        Endpoint{service_address(), 80}, Endpoint{any, 8080}}) {
    EXPECT_EQ(dial(proxy, to), EPERM) << to.to_string();
    const auto events = programs_->take_events();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].reason, KS_REASON_role_violation);
  }
}

TEST_P(ProxySocket, HboneDialsOnlyTheHbonePortOfMeshPods) {
  const Fd remote = lab_->listen(kOutside, family(), KS_HBONE_PORT);
  const Fd proxy = lab_->tagged_socket(kPodA, family(), KS_ROLE_DIAL_HBONE);
  EXPECT_EQ(dial(proxy, of(kPodB, 8080)), EPERM) << "another port";
  EXPECT_EQ(dial(proxy, of(kOutside, KS_HBONE_PORT)), EPERM) << "not a mesh pod";
  put_remote(PodLab::ip(kOutside, family()), KS_ADDRESS_REMOTE | KS_ADDRESS_READY);
  ASSERT_EQ(dial(proxy, of(kOutside, KS_HBONE_PORT)), 0);
  EXPECT_TRUE(accept_from(remote.get()));

  // The kernel may know before the proxy that a pod is not ready (any more).
  const Fd early = lab_->tagged_socket(kPodA, family(), KS_ROLE_DIAL_HBONE);
  put_remote(PodLab::ip(kOutside, family()), KS_ADDRESS_REMOTE);
  ASSERT_EQ(dial(early, of(kOutside, KS_HBONE_PORT)), 0);
  EXPECT_TRUE(accept_from(remote.get()));

  const Fd local = lab_->tagged_socket(kPodA, family(), KS_ROLE_DIAL_HBONE);
  ASSERT_EQ(dial(local, of(kPodB, KS_HBONE_PORT)), 0) << "same node, mTLS";
  const auto record = record_of(accept_from(lab_->listener(kPodB, family(), KS_ROLE_HBONE)));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->kind, KS_KIND_OUTSIDE) << "TLS proves who it is, not the kernel";
}

TEST_P(ProxySocket, EgressLeavesTheMeshWhereEgressPolicyAllows) {
  const Fd outside = lab_->listen(kOutside, family(), 8080);
  const Fd proxy = lab_->tagged_socket(kPodA, family(), KS_ROLE_DIAL_EGRESS);
  EXPECT_EQ(dial(proxy, loopback(8080)), EPERM);
  EXPECT_EQ(dial(proxy, of(kPodA, 8080)), EPERM) << "its own pod";
  EXPECT_EQ(dial(proxy, of(kPodB, 8080)), EPERM) << "a mesh pod";
  put_remote(PodLab::ip(kOutside, family()), KS_ADDRESS_REMOTE | KS_ADDRESS_READY);
  EXPECT_EQ(dial(proxy, of(kOutside, 8080)), EPERM) << "a mesh pod of another node";
  programs_->erase("ks_address", PodLab::ip(kOutside, family()).raw());
  put_set(600, KS_DENY, 3);
  ks_pod row = lab_->pod(kPodA);
  row.egress_set = 600;
  lab_->put_pod(kPodA, row);
  EXPECT_EQ(dial(proxy, of(kOutside, 8080)), EPERM);
  const auto events = programs_->take_events();
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events.back().reason, KS_REASON_egress_denied);
  put_set(600, KS_ALLOW, 3);
  ASSERT_EQ(dial(proxy, of(kOutside, 8080)), 0);
  EXPECT_TRUE(accept_from(outside.get()));
}

TEST_P(ProxySocket, ListenersAndForeignTagsDialNothing) {
  const Fd app = lab_->listen(kPodB, family(), 8080);
  for (const ks_role role : {KS_ROLE_OUTBOUND, KS_ROLE_HBONE, KS_ROLE_PLAIN}) {
    const Fd proxy = lab_->tagged_socket(kPodB, family(), role);
    EXPECT_EQ(dial(proxy, of(kPodB, 8080)), EPERM) << role;
  }
  const Fd foreign = lab_->socket(kPodA, family());
  programs_->put("ks_tag", foreign.get(), ks_tag{lab_->cookie(kPodB), KS_ROLE_DIAL_DELIVER, 0});
  EXPECT_EQ(dial(foreign, of(kPodB, 8080)), EPERM) << "made in another pod's namespace";
}

}  // namespace keelson::test
