// What reaches a pod, and where: plaintext, HBONE, probes, attested connections and thieves, on
// real sockets with sk_lookup attached.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>

#include <array>
#include <cstring>

#include "hook_test.h"

namespace keelson::test {

class Inbound : public HookTest {
 protected:
  void set_flags(Place place, uint32_t flags) {
    ks_pod row = lab_->pod(place);
    row.flags = flags;
    lab_->put_pod(place, row);
  }
  static std::string on_device(const IpAddress& address, const std::string& device) {
    return address.to_string() + (address.is_v4() ? "/32 dev " : "/128 dev ") + device +
           (address.is_v4() ? "" : " nodad");
  }
  int dial_from(Place place, const Endpoint& to) const {
    return dial(lab_->socket(place, family()), to);
  }
};
INSTANTIATE_TEST_SUITE_P(Families, Inbound, testing::Values(AF_INET, AF_INET6), family_name);

TEST_P(Inbound, PlaintextReachesTheAppUnlessStrict) {
  const Fd app = lab_->listen(kPodB, family(), 8080);
  ASSERT_EQ(dial_from(kOutside, of(kPodB, 8080)), 0);
  const Fd accepted = accept_from(app.get());
  EXPECT_TRUE(accepted);
  EXPECT_FALSE(record_of(accepted)) << "an application's socket needs no record";
  set_flags(kPodB, KS_POD_STRICT);
  EXPECT_EQ(dial_from(kOutside, of(kPodB, 8080)), ECONNREFUSED);
  const auto events = programs_->take_events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].reason, KS_REASON_strict_plaintext);
  EXPECT_EQ(events[0].hook, KS_HOOK_LOOKUP);
}

TEST_P(Inbound, PlaintextToAPodWithL7PolicyIsRecordedAsOutside) {
  const Fd app = lab_->listen(kPodB, family(), 8080);
  set_flags(kPodB, KS_POD_L7);
  ASSERT_EQ(dial_from(kOutside, of(kPodB, 8080)), 0);
  const Fd accepted = accept_from(lab_->listener(kPodB, family(), KS_ROLE_PLAIN));
  const auto record = record_of(accepted);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->kind, KS_KIND_OUTSIDE);
  EXPECT_EQ(record->source_identity, 0u);
  EXPECT_EQ(name_of(accepted), of(kPodB, 8080)) << "the original destination";
  EXPECT_FALSE(is_readable(app.get()));
}

TEST_P(Inbound, DirectToAPodWithL7PolicyKeepsTheCallersIdentity) {
  set_flags(kPodB, KS_POD_L7 | KS_POD_STRICT);
  const Endpoint dialled{service_address(), 80};
  lab_->put_service(dialled, 12, 0, {of(kPodB, 8080)});
  const Fd client = lab_->socket(kPodA, family());
  ASSERT_EQ(dial(client, dialled), 0);
  const auto record = record_of(accept_from(lab_->listener(kPodB, family(), KS_ROLE_PLAIN)));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->kind, KS_KIND_DIRECT);
  EXPECT_EQ(record->source_identity, kIdentityA);
  EXPECT_EQ(Endpoint::from_raw(record->original), dialled);
  EXPECT_EQ(Endpoint::from_raw(record->chosen), of(kPodB, 8080));
  EXPECT_TRUE(has_event(programs_->take_events(), KS_REASON_direct_l7));
}

TEST_P(Inbound, HbonePortIsOursAlthoughThePodListensThere) {
  set_flags(kPodB, KS_POD_STRICT);
  const Fd app = lab_->listen(kPodB, family(), KS_HBONE_PORT);
  for (int i = 0; i < 32; i++) {
    const Fd client = lab_->socket(kOutside, family());
    ASSERT_EQ(dial(client, of(kPodB, KS_HBONE_PORT)), 0);
    const auto record = record_of(accept_from(lab_->listener(kPodB, family(), KS_ROLE_HBONE)));
    ASSERT_TRUE(record);
    EXPECT_EQ(record->kind, KS_KIND_OUTSIDE);
  }
  EXPECT_FALSE(is_readable(app.get()));
}

TEST_P(Inbound, MissingListenerRefusesInsteadOfReachingTheApp) {
  const Fd app = lab_->listen(kPodB, family(), KS_HBONE_PORT);
  ks_pod row = lab_->pod(kPodB);
  row.slot = KS_PODS_MAX - 1;
  lab_->put_pod(kPodB, row);
  EXPECT_EQ(dial_from(kOutside, of(kPodB, KS_HBONE_PORT)), ECONNREFUSED);
  EXPECT_FALSE(is_readable(app.get()));
  EXPECT_TRUE(has_event(programs_->take_events(), KS_REASON_listener_missing));
}

TEST_P(Inbound, ProbeFromTheNodeReachesOnlyTheNamedPort) {
  const Fd named = lab_->listen(kPodB, family(), 8080), other = lab_->listen(kPodB, family(), 81);
  set_flags(kPodB, KS_POD_STRICT);
  EXPECT_EQ(dial_from(kNode, of(kPodB, 8080)), ECONNREFUSED) << "the node is not enrolled";
  ks_pod node{};
  node.flags = KS_POD_HOST;
  lab_->put_pod(kNode, node);
  EXPECT_EQ(dial_from(kNode, of(kPodB, 8080)), ECONNREFUSED) << "the port is not named";
  programs_->put("ks_port", ks_port_key{lab_->cookie(kPodB), 8080, 0, 0}, ks_port{KS_PORT_PROBE});
  ASSERT_EQ(dial_from(kNode, of(kPodB, 8080)), 0);
  EXPECT_TRUE(accept_from(named.get()));
  EXPECT_EQ(dial_from(kNode, of(kPodB, 81)), ECONNREFUSED);
  EXPECT_EQ(dial_from(kOutside, of(kPodB, 8080)), ECONNREFUSED) << "only the node probes";
  EXPECT_EQ(programs_->size("ks_tuple"), 0u);
  EXPECT_FALSE(is_readable(other.get()));
}

TEST_P(Inbound, AnAddressThatEnrolmentDoesNotKnowIsRefused) {
  const Fd app = lab_->listen(kPodB, family(), 8080);
  programs_->erase("ks_address", PodLab::ip(kPodB, family()).raw());
  EXPECT_EQ(dial_from(kOutside, of(kPodB, 8080)), ECONNREFUSED);
  EXPECT_TRUE(has_event(programs_->take_events(), KS_REASON_unknown_local_address));
}

// Refused in any case; for a moment after the end it counts as a late packet of that connection.
TEST_P(Inbound, AnAttestationCannotBeUsedASecondTime) {
  const Fd app = lab_->listen(kPodB, family(), 8080);
  Fd client = lab_->socket(kPodA, family());
  ASSERT_EQ(dial(client, of(kPodB, 8080)), 0);
  const Endpoint stolen = name_of(client);
  Fd accepted = accept_from(app.get());
  ASSERT_TRUE(accepted);
  const linger abort{1, 0};
  setsockopt(accepted.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
  setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
  accepted.reset();
  client.reset();

  ASSERT_EQ(dial_from(kOutside, of(kPodB, 8080)), 0) << "plaintext is allowed, and B resolved";
  accepted = accept_from(app.get());
  lab_->shell(kOutside, "ip addr add " + on_device(stolen.address, "lo"));
  ASSERT_GT(programs_->size("ks_ended"), 0u);
  programs_->clear("ks_ended");
  const uint64_t before = programs_->count(KS_REASON_unattested);
  Fd thief = lab_->socket(kOutside, family(), SOCK_STREAM | SOCK_NONBLOCK);
  const int bound = bind_to(thief, stolen);
  dial(thief, of(kPodB, 8080));
  pollfd answer{thief.get(), POLLOUT, 0};
  for (int i = 0; i < 100 && programs_->count(KS_REASON_unattested) == before; i++)
    poll(&answer, 1, 10);
  const uint64_t after = programs_->count(KS_REASON_unattested);
  thief.reset();
  lab_->shell(kOutside, "ip addr del " + on_device(stolen.address, "lo"));
  lab_->shell(kPodB, "ip neigh flush all");
  EXPECT_EQ(bound, 0);
  EXPECT_GT(after, before);
  EXPECT_FALSE(is_readable(app.get()));
}

// A node's NAT gives a connection another source port when an older one, which went through a
// Service's virtual address, is still in conntrack: one of a hundred connections was refused as
// unattested when a namespace under load was enrolled.
TEST_P(Inbound, AConnectionWhoseSourcePortIsChangedOnItsWayIsStillItsOwn) {
  const Fd app = lab_->listen(kPodB, family(), 8080);
  const std::string table = family() == AF_INET ? "ip moved" : "ip6 moved";
  const std::string source = PodLab::ip(kPodA, family()).to_string();
  const std::string moved = (family() == AF_INET ? source : "[" + source + "]") + ":50001";
  lab_->shell(kPodB, "nft add table " + table + "; nft add chain " + table +
                         " in \"{ type nat hook input priority 100; }\"; nft add rule " + table +
                         " in tcp dport 8080 snat to " + moved);
  Fd client = lab_->socket(kPodA, family());
  const int dialled = dial(client, of(kPodB, 8080));
  Endpoint shown;
  Fd accepted = dialled == 0 ? accept_from(app.get(), &shown) : Fd();
  const auto record = accepted ? record_of(accepted) : std::nullopt;
  const linger abort{1, 0};
  setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
  client.reset();
  accepted.reset();
  lab_->shell(kPodB, "nft delete table " + table);
  EXPECT_EQ(dialled, 0);
  EXPECT_EQ(shown.port, 50001);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->source_pod, lab_->cookie(kPodA));
  EXPECT_EQ(programs_->size("ks_tuple"), 0u) << "it went with its client";
  EXPECT_EQ(budget_of(kPodA), 0u);
}

TEST_P(Inbound, AnAttestationForAnotherPodIsRefused) {
  const Fd app = lab_->listen(kPodB, family(), 8080);
  ks_tuple_key key{};
  key.pod = lab_->cookie(kPodB);
  key.source = PodLab::ip(kOutside, family()).raw();
  key.destination = PodLab::ip(kPodB, family()).raw();
  key.source_port = 45678;
  key.destination_port = 8080;
  ks_attestation row{};
  row.kind = KS_KIND_SELF;
  row.receiver_pod = lab_->cookie(kPodA);
  programs_->put("ks_tuple", key, row);
  const Fd client = lab_->socket(kOutside, family());
  ASSERT_EQ(bind_to(client, of(kOutside, 45678)), 0);
  EXPECT_EQ(dial(client, of(kPodB, 8080)), ECONNREFUSED);
  EXPECT_TRUE(has_event(programs_->take_events(), KS_REASON_tuple_mismatch));
}

TEST_P(Inbound, SourceCheckDropsWhatThePodDoesNotOwn) {
  const Fd app = lab_->listen(kOutside, family(), 8080);
  const IpAddress foreign =
      IpAddress::parse(family() == AF_INET ? "10.94.0.77" : "fd94::77").value();
  lab_->shell(kPodA, "ip addr add " + on_device(foreign, "eth0"));
  programs_->put("ks_interface", lab_->host_interface(kPodA), ks_interface{lab_->cookie(kPodA)});
  lab_->attach_source_check(kPodA);
  const uint64_t before = programs_->count(KS_REASON_source_spoofed);
  const Fd owner = lab_->socket(kPodA, family());
  const int own = bind_to(owner, of(kPodA, 0)), honest = dial(owner, of(kOutside, 8080));
  const uint64_t between = programs_->count(KS_REASON_source_spoofed);
  Fd liar = lab_->socket(kPodA, family(), SOCK_STREAM | SOCK_NONBLOCK);
  const int bound = bind_to(liar, {foreign, 0});
  dial(liar, of(kOutside, 8080));
  const uint64_t after = programs_->count(KS_REASON_source_spoofed);
  lab_->detach_source_check(kPodA);
  lab_->shell(kPodA, "ip addr del " + on_device(foreign, "eth0"));
  EXPECT_EQ(own, 0);
  EXPECT_EQ(bound, 0);
  EXPECT_EQ(honest, 0);
  EXPECT_EQ(between, before);
  EXPECT_GT(after, between);
}

TEST_P(Inbound, SourceCheckDropsTruncatedHeaders) {
  programs_->put("ks_interface", lab_->host_interface(kPodA), ks_interface{lab_->cookie(kPodA)});
  lab_->attach_source_check(kPodA);
  const Fd raw = lab_->socket(kPodA, AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  const uint16_t type = family() == AF_INET ? ETH_P_IP : ETH_P_IPV6;
  std::array<uint8_t, ETH_HLEN + 12> frame{};
  frame.fill(0xff);  // to everybody
  frame[12] = static_cast<uint8_t>(type >> 8);
  frame[13] = static_cast<uint8_t>(type);
  frame[ETH_HLEN] = family() == AF_INET ? 0x45 : 0x60;
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(lab_->interface(kPodA));
  const uint64_t before = programs_->count(KS_REASON_packet_malformed);
  const ssize_t sent = sendto(raw.get(), frame.data(), frame.size(), 0,
                              reinterpret_cast<const sockaddr*>(&to), sizeof(to));
  const uint64_t after = programs_->count(KS_REASON_packet_malformed);
  lab_->detach_source_check(kPodA);
  EXPECT_EQ(sent, static_cast<ssize_t>(frame.size()));
  EXPECT_EQ(after, before + 1);
}

TEST_P(Inbound, SourceCheckReadsHeadersThatAreNotLinear) {
  // A frame of more than a page, of which the virtio header says that only 14 bytes are headers:
  // the kernel puts the rest into fragments.
  lab_->set_mtu(kPodA, 9000);
  programs_->put("ks_interface", lab_->host_interface(kPodA), ks_interface{lab_->cookie(kPodA)});
  lab_->attach_source_check(kPodA);
  const Fd raw = lab_->socket(kPodA, AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  const int on = 1;
  ASSERT_EQ(setsockopt(raw.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), 0);
  std::array<uint16_t, 5> layout{};  // struct virtio_net_hdr, whose header is not C++
  layout[1] = ETH_HLEN;              // hdr_len
  const uint16_t type = family() == AF_INET ? ETH_P_IP : ETH_P_IPV6;
  std::vector<uint8_t> frame(sizeof(layout) + 6000, 0x11);  // source 17.17.17.17, 1111:1111:...
  std::memcpy(frame.data(), layout.data(), sizeof(layout));
  uint8_t* ethernet = frame.data() + sizeof(layout);
  std::memset(ethernet, 0xff, 6);
  ethernet[12] = static_cast<uint8_t>(type >> 8);
  ethernet[13] = static_cast<uint8_t>(type);
  ethernet[ETH_HLEN] = family() == AF_INET ? 0x45 : 0x60;
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(lab_->interface(kPodA));
  const uint64_t before = programs_->count(KS_REASON_source_spoofed);
  const ssize_t sent = sendto(raw.get(), frame.data(), frame.size(), 0,
                              reinterpret_cast<const sockaddr*>(&to), sizeof(to));
  const uint64_t after = programs_->count(KS_REASON_source_spoofed);
  lab_->detach_source_check(kPodA);
  lab_->set_mtu(kPodA, 1500);
  EXPECT_EQ(sent, static_cast<ssize_t>(frame.size()));
  EXPECT_EQ(after, before + 1);
}

}  // namespace keelson::test
