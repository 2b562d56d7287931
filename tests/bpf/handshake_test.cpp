// Handshakes that are not plain, and what is left of a connection: SYN cookies, Fast Open, MPTCP, a
// full accept queue, dual-stack and non-blocking sockets. Each must carry its attestation like any
// other.
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "hook_test.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

namespace keelson::test {

class Handshake : public HookTest {
 protected:
  void sysctl(Place place, const std::string& name, const std::string& value) const {
    lab_->shell(place, "echo " + value + " > /proc/sys/net/ipv4/" + name);
  }
  // As `pod`'s socket at `own` saw it.
  bool has_ended(Place pod, const Endpoint& peer, const Endpoint& own) const {
    const ks_tuple_key key{lab_->cookie(pod), peer.address.raw(), own.address.raw(),
                           peer.port,         own.port,           0};
    return programs_->get<uint64_t>("ks_ended", key).has_value();
  }
  static void reset(Fd& socket) {
    const linger at_once{1, 0};
    ASSERT_EQ(setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    socket.reset();
  }
};
INSTANTIATE_TEST_SUITE_P(Families, Handshake, testing::Values(AF_INET, AF_INET6), family_name);

TEST_P(Handshake, SynCookiesKeepTheAttestation) {
  const Fd app = lab_->listen(kPodB, family(), 8080);
  const Endpoint captured{service_address(), 80};
  lab_->put_service(captured, 1, KS_SERVICE_L7, {});
  sysctl(kPodA, "tcp_syncookies", "2");
  sysctl(kPodB, "tcp_syncookies", "2");
  for (int i = 0; i < 50; i++) {
    const Fd direct = lab_->socket(kPodA, family());
    ASSERT_EQ(dial(direct, of(kPodB, 8080)), 0);
    const auto record = record_of(accept_from(app.get()));
    ASSERT_TRUE(record);
    EXPECT_EQ(record->source_identity, kIdentityA);
    const Fd client = lab_->socket(kPodA, family());
    ASSERT_EQ(dial(client, captured), 0);
    ASSERT_TRUE(record_of(accept_from(outbound(kPodA))));
  }
  sysctl(kPodA, "tcp_syncookies", "1");
  sysctl(kPodB, "tcp_syncookies", "1");
  EXPECT_EQ(programs_->size("ks_tuple"), 0u);
  EXPECT_EQ(budget_of(kPodA), 0u);
}

TEST_P(Handshake, FastOpenIsNoWayAround) {
  const Endpoint dialled{service_address(), 80};
  lab_->put_service(dialled, 1, 0, {of(kPodB, 8080)});
  const Fd app = lab_->listen(kPodB, family(), 8080);
  const int queue = 16;
  ASSERT_EQ(setsockopt(app.get(), IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue)), 0);
  sysctl(kPodA, "tcp_fastopen", "3");
  sysctl(kPodB, "tcp_fastopen", "3");
  for (int i = 0; i < 3; i++) {  // the first fetches the cookie, the next carry data in the SYN
    const Fd client = lab_->socket(kPodA, family());
    sockaddr_storage address{};
    const socklen_t length = dialled.to_sockaddr(address);
    ASSERT_EQ(sendto(client.get(), "hello", 5, MSG_FASTOPEN,
                     reinterpret_cast<const sockaddr*>(&address), length),
              5);
    const auto record = record_of(accept_from(app.get()));
    ASSERT_TRUE(record) << i;
    EXPECT_EQ(record->kind, KS_KIND_DIRECT);
  }
  EXPECT_EQ(programs_->size("ks_tuple"), 0u);
  EXPECT_EQ(budget_of(kPodA), 0u);
}

TEST_P(Handshake, AnMptcpClientIsCapturedAndDenied) {
  const Endpoint dialled{service_address(), 80};
  lab_->put_service(dialled, 1, KS_SERVICE_L7, {});
  const Fd client = lab_->socket(kPodA, family(), SOCK_STREAM, IPPROTO_MPTCP);
  ASSERT_EQ(dial(client, dialled), 0);
  const auto record = record_of(accept_from(outbound(kPodA)));
  ASSERT_TRUE(record);
  EXPECT_EQ(Endpoint::from_raw(record->original), dialled);
  const Fd refused = lab_->socket(kPodA, family(), SOCK_STREAM, IPPROTO_MPTCP);
  EXPECT_EQ(dial(refused, of(kPodB, KS_HBONE_PORT)), EPERM);
}

TEST_P(Handshake, ANonBlockingClientSeesTheServiceFromTheStart) {
  const Endpoint dialled{service_address(), 80};
  lab_->put_service(dialled, 1, KS_SERVICE_L7, {});
  const Fd client = lab_->socket(kPodA, family(), SOCK_STREAM | SOCK_NONBLOCK);
  const int result = dial(client, dialled);
  EXPECT_TRUE(result == 0 || result == EINPROGRESS) << result;
  EXPECT_TRUE(record_of(accept_from(outbound(kPodA))));
  EXPECT_EQ(peer_of(client), dialled);
}

TEST_P(Handshake, ADualStackListenerGetsTheAttestationOfEitherFamily) {
  const Fd app = lab_->socket(kPodB, AF_INET6);
  const int off = 0, on = 1;
  ASSERT_EQ(setsockopt(app.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
  ASSERT_EQ(setsockopt(app.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)), 0);
  ASSERT_EQ(bind_to(app, {IpAddress(), 8080}), 0);
  ASSERT_EQ(listen(app.get(), 8), 0);
  const Fd client = lab_->socket(kPodA, family());
  ASSERT_EQ(dial(client, of(kPodB, 8080)), 0);
  const auto record = record_of(accept_from(app.get()));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->kind, KS_KIND_DIRECT);
  EXPECT_EQ(programs_->size("ks_tuple"), 0u);
}

TEST_P(Handshake, AFullAcceptQueueLosesNoAttestation) {
  // A SYN cookie's ACK that finds the queue full is lost for good, with or without us.
  sysctl(kPodB, "tcp_syncookies", "0");
  const Fd app = lab_->listen(kPodB, family(), 8080, 1);
  std::vector<Fd> clients;
  for (int i = 0; i < 4; i++) {
    clients.push_back(lab_->socket(kPodA, family(), SOCK_STREAM | SOCK_NONBLOCK));
    dial(clients.back(), of(kPodB, 8080));
  }
  EXPECT_GT(programs_->size("ks_tuple"), 0u) << "some wait outside the queue";
  int attested = 0;
  for (int i = 0; i < 4; i++) {
    pollfd waiting{app.get(), POLLIN, 0};
    if (poll(&waiting, 1, 10000) != 1) break;
    if (record_of(accept_from(app.get()))) attested++;
  }
  sysctl(kPodB, "tcp_syncookies", "1");
  EXPECT_EQ(attested, 4);
  EXPECT_EQ(programs_->size("ks_tuple"), 0u);
  EXPECT_EQ(budget_of(kPodA), 0u);
}

TEST_P(Handshake, BothSidesRememberThatTheirConnectionEnded) {
  const Fd app = lab_->listen(kPodB, family(), 8080);
  Fd client = lab_->socket(kPodA, family());
  ASSERT_EQ(dial(client, of(kPodB, 8080)), 0);
  const Fd server = accept_from(app.get());
  const Endpoint from = name_of(client), to = of(kPodB, 8080);
  EXPECT_FALSE(has_ended(kPodA, to, from));
  EXPECT_FALSE(has_ended(kPodB, from, to));
  reset(client);
  EXPECT_TRUE(has_ended(kPodA, to, from));
  EXPECT_TRUE(has_ended(kPodB, from, to));
}

TEST_P(Handshake, TheEndOfAConnectionOutOfTheMeshIsRememberedToo) {
  const Fd stranger = lab_->listen(kOutside, family(), 8080);
  Fd client = lab_->socket(kPodA, family());
  ASSERT_EQ(dial(client, of(kOutside, 8080)), 0);
  const Endpoint own = name_of(client);
  reset(client);
  EXPECT_TRUE(has_ended(kPodA, of(kOutside, 8080), own));
}

TEST_P(Handshake, WhatWasNeverEstablishedHasNotEnded) {
  Fd refused = lab_->socket(kPodA, family());
  EXPECT_EQ(dial(refused, of(kPodB, 8080)), ECONNREFUSED);
  refused.reset();
  EXPECT_EQ(programs_->size("ks_ended"), 0u);
}

TEST_P(Handshake, TheEndOfATunnelIsRememberedToo) {
  put_remote(PodLab::ip(kOutside, family()), KS_ADDRESS_REMOTE | KS_ADDRESS_READY);
  const Fd peer = lab_->listen(kOutside, family(), KS_HBONE_PORT);
  Fd tunnel = lab_->tagged_socket(kPodA, family(), KS_ROLE_DIAL_HBONE);
  ASSERT_EQ(dial(tunnel, of(kOutside, KS_HBONE_PORT)), 0);
  const Endpoint own = name_of(tunnel);
  EXPECT_FALSE(has_ended(kPodA, of(kOutside, KS_HBONE_PORT), own));
  reset(tunnel);
  EXPECT_TRUE(has_ended(kPodA, of(kOutside, KS_HBONE_PORT), own));
}

}  // namespace keelson::test
