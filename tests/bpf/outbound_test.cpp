// What an enrolled pod's connect() becomes: capture, direct, self, passthrough or EPERM, on real
// sockets with the hooks attached.
#include <poll.h>

#include "hook_test.h"

namespace keelson::test {

class Outbound : public HookTest {};
class OutboundMapped : public HookTest {};
INSTANTIATE_TEST_SUITE_P(Families, Outbound, testing::Values(AF_INET, AF_INET6), family_name);
INSTANTIATE_TEST_SUITE_P(Families, OutboundMapped, testing::Values(AF_INET), family_name);

TEST_P(Outbound, CaptureCarriesOriginalDestinationAndTheKernelsChoice) {
  const Endpoint dialled{service_address(), 80}, backend = of(kOutside, 7000);
  put_remote(backend.address, KS_ADDRESS_REMOTE | KS_ADDRESS_READY);
  lab_->put_service(dialled, 77, 0, {backend});
  const Fd client = lab_->socket(kPodA, family());
  ASSERT_EQ(dial(client, dialled), 0);
  const Fd accepted = accept_from(outbound(kPodA));
  const auto record = record_of(accepted);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->kind, KS_KIND_CAPTURE);
  EXPECT_EQ(Endpoint::from_raw(record->original), dialled);
  EXPECT_EQ(Endpoint::from_raw(record->chosen), backend);
  EXPECT_EQ(record->service, 77u);
  EXPECT_EQ(record->source_pod, lab_->cookie(kPodA));
  EXPECT_EQ(record->source_identity, kIdentityA);
  EXPECT_EQ(peer_of(client), dialled);
  EXPECT_EQ(name_of(client).address, PodLab::ip(kPodA, family()));
  EXPECT_EQ(programs_->size("ks_tuple"), 0u);
  const auto events = programs_->take_events();
  ASSERT_TRUE(has_event(events, KS_REASON_captured));
  EXPECT_EQ(Endpoint::from_raw(events.front().destination), backend);
}

TEST_P(Outbound, FiveThousandConnectsFitIntoAThousandEphemeralPorts) {
  for (int n = 1; n <= 20; n++) {
    const IpAddress backend = service_address(100 + n);
    put_remote(backend, KS_ADDRESS_REMOTE | KS_ADDRESS_READY);
    lab_->put_service({service_address(n), 80}, 100 + n, 0, {{backend, 7000}});
  }
  for (int i = 0; i < 5000; i++) {
    const Endpoint dialled{service_address(i % 20 + 1), 80};
    const Fd client = lab_->socket(kPodA, family());
    ASSERT_EQ(dial(client, dialled), 0) << "connect " << i;
    const Fd accepted = accept_from(outbound(kPodA));
    const auto record = record_of(accepted);
    ASSERT_TRUE(record) << "connect " << i;
    ASSERT_EQ(Endpoint::from_raw(record->original), dialled);
  }
  EXPECT_EQ(programs_->size("ks_tuple"), 0u);
  EXPECT_EQ(budget_of(kPodA), 0u);
}

TEST_P(Outbound, CapturePortIsNeverTheBoundSourcePort) {
  const Endpoint dialled{service_address(), 80};
  lab_->put_service(dialled, 1, KS_SERVICE_L7, {});
  const Fd first = lab_->socket(kPodA, family());
  ASSERT_EQ(dial(first, dialled), 0);
  const uint16_t port = name_of(accept_from(outbound(kPodA))).port;
  const Fd second = lab_->socket(kPodA, family());
  const int on = 1;
  setsockopt(second.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  ASSERT_EQ(bind_to(second, of(kPodA, port)), 0);
  ASSERT_EQ(dial(second, dialled), 0);
  const Fd accepted = accept_from(outbound(kPodA));
  ASSERT_TRUE(record_of(accepted)) << "TCP connected to itself";
  EXPECT_EQ(name_of(accepted).port, port + 1);
}

TEST_P(Outbound, NoOtherCapturePortIsRefused) {
  ks_pod row = lab_->pod(kPodA);
  row.capture_port_first = 2000;
  row.capture_port_count = 1;
  lab_->put_pod(kPodA, row);
  const Endpoint dialled{service_address(), 80};
  lab_->put_service(dialled, 1, KS_SERVICE_L7, {});
  const Fd client = lab_->socket(kPodA, family());
  ASSERT_EQ(bind_to(client, of(kPodA, 2000)), 0);
  EXPECT_EQ(dial(client, dialled), EPERM);
  EXPECT_TRUE(has_event(programs_->take_events(), KS_REASON_capture_port_missing));
}

TEST_P(Outbound, ServiceWithL7NeedIsCapturedWithoutAChoice) {
  const Endpoint dialled{service_address(), 80};
  lab_->put_service(dialled, 5, KS_SERVICE_L7, {of(kPodB, 8080)});
  const Fd client = lab_->socket(kPodA, family());
  ASSERT_EQ(dial(client, dialled), 0);
  const auto record = record_of(accept_from(outbound(kPodA)));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->chosen.port, 0);
  EXPECT_EQ(record->service, 5u);
}

TEST_P(Outbound, RemotePodThatIsReadyIsCapturedAndOneThatIsNotPassesThrough) {
  const Fd app = lab_->listen(kOutside, family(), 8080);
  put_remote(PodLab::ip(kOutside, family()), KS_ADDRESS_REMOTE | KS_ADDRESS_READY);
  const Fd captured = lab_->socket(kPodA, family());
  ASSERT_EQ(dial(captured, of(kOutside, 8080)), 0);
  EXPECT_TRUE(record_of(accept_from(outbound(kPodA))));
  EXPECT_FALSE(is_readable(app.get()));

  put_remote(PodLab::ip(kOutside, family()), KS_ADDRESS_REMOTE);
  const Fd plain = lab_->socket(kPodA, family());
  ASSERT_EQ(dial(plain, of(kOutside, 8080)), 0);
  EXPECT_TRUE(accept_from(app.get()));
  const auto events = programs_->take_events();
  EXPECT_TRUE(has_event(events, KS_REASON_captured));
  EXPECT_TRUE(has_event(events, KS_REASON_passthrough));
}

TEST_P(Outbound, ServiceOfUnmeshedEndpointsIsRewrittenAndStillShowsTheService) {
  const Fd app = lab_->listen(kOutside, family(), 8080);
  const Endpoint dialled{service_address(), 80};
  lab_->put_service(dialled, 6, 0, {of(kOutside, 8080)});
  const Fd client = lab_->socket(kPodA, family());
  ASSERT_EQ(dial(client, dialled), 0);
  EXPECT_TRUE(accept_from(app.get()));
  EXPECT_EQ(peer_of(client), dialled);
  const auto events = programs_->take_events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].reason, KS_REASON_passthrough);
  EXPECT_EQ(events[0].service, 6u);
  EXPECT_EQ(Endpoint::from_raw(events[0].destination), of(kOutside, 8080));
  EXPECT_EQ(Endpoint::from_raw(events[0].original), dialled);
}

TEST_P(Outbound, DirectReachesTheAppOnceWithTheCallersIdentity) {
  const Fd app = lab_->listen(kPodB, family(), 8080);
  const Endpoint dialled{service_address(), 80};
  lab_->put_service(dialled, 9, 0, {of(kPodB, 8080)});
  const uint64_t before = programs_->count(KS_REASON_direct);
  const Fd client = lab_->socket(kPodA, family());
  ASSERT_EQ(dial(client, dialled), 0);
  Endpoint shown;
  const Fd accepted = accept_from(app.get(), &shown);
  const auto record = record_of(accepted);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->kind, KS_KIND_DIRECT);
  EXPECT_EQ(record->source_identity, kIdentityA);
  EXPECT_EQ(shown.address, PodLab::ip(kPodA, family()));
  EXPECT_EQ(peer_of(client), dialled);
  EXPECT_EQ(programs_->size("ks_tuple"), 0u) << "a tuple is single use";
  EXPECT_EQ(budget_of(kPodA), 0u);
  const auto events = programs_->take_events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(programs_->count(KS_REASON_direct), before + 1);
  EXPECT_EQ(events[0].reason, KS_REASON_direct);
  EXPECT_EQ(events[0].hook, KS_HOOK_ESTABLISHED);
  EXPECT_EQ(events[0].destination_identity, kIdentityB);
  EXPECT_EQ(events[0].service, 9u);
}

TEST_P(Outbound, DirectByPodAddressNeedsNoService) {
  const Fd app = lab_->listen(kPodB, family(), 8080);
  const Fd client = lab_->socket(kPodA, family());
  ASSERT_EQ(dial(client, of(kPodB, 8080)), 0);
  EXPECT_TRUE(record_of(accept_from(app.get())));
  EXPECT_EQ(peer_of(client), of(kPodB, 8080));
}

TEST_P(Outbound, DirectThatPolicyDeniesIsRefusedAtOnceWithItsPolicy) {
  const Fd app = lab_->listen(kPodB, family(), 8080);
  put_set(500, KS_DENY, 4711);
  ks_pod row = lab_->pod(kPodB);
  row.policy_set[0] = 500;
  lab_->put_pod(kPodB, row);
  const Fd client = lab_->socket(kPodA, family());
  EXPECT_EQ(dial(client, of(kPodB, 8080)), ECONNREFUSED);
  EXPECT_FALSE(is_readable(app.get()));
  const auto events = programs_->take_events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].reason, KS_REASON_not_allowed);
  EXPECT_EQ(events[0].policy, 4711u);
  EXPECT_EQ(events[0].source_identity, kIdentityA);
  EXPECT_EQ(programs_->size("ks_tuple"), 0u);
  EXPECT_EQ(budget_of(kPodA), 0u);
}

TEST_P(Outbound, LocalMtlsOfEitherPodCaptures) {
  for (const Place wants : {kPodA, kPodB}) {
    lab_->enrol();
    ks_pod row = lab_->pod(wants);
    row.flags = KS_POD_LOCAL_MTLS;
    lab_->put_pod(wants, row);
    const Fd client = lab_->socket(kPodA, family());
    ASSERT_EQ(dial(client, of(kPodB, 8080)), 0);
    EXPECT_TRUE(record_of(accept_from(outbound(kPodA))));
  }
}

TEST_P(Outbound, ThePodReachesItselfByEveryOfItsNames) {
  const Fd app = lab_->listen(kPodA, family(), 8080);
  const Endpoint dialled{service_address(), 80};
  lab_->put_service(dialled, 3, 0, {of(kPodA, 8080)});
  const IpAddress any = family() == AF_INET ? IpAddress::parse("0.0.0.0").value() : IpAddress();
  const IpAddress loopback = IpAddress::parse(family() == AF_INET ? "127.0.0.1" : "::1").value();
  for (const Endpoint& to :
       {of(kPodA, 8080), dialled, Endpoint{any, 8080}, Endpoint{loopback, 8080}}) {
    const Fd client = lab_->socket(kPodA, family());
    ASSERT_EQ(dial(client, to), 0) << to.to_string();
    EXPECT_TRUE(accept_from(app.get())) << to.to_string();
  }
  const Fd bound = lab_->socket(kPodA, family());
  ASSERT_EQ(bind_to(bound, of(kPodA, 0)), 0);
  EXPECT_EQ(dial(bound, {any, 8080}), 0) << "0.0.0.0 becomes the bound source";
  EXPECT_TRUE(programs_->take_events().empty());
  EXPECT_EQ(budget_of(kPodA), 0u);
}

TEST_P(Outbound, TheHbonePortIsNotForApplications) {
  const Fd client = lab_->socket(kPodA, family());
  EXPECT_EQ(dial(client, of(kPodB, KS_HBONE_PORT)), EPERM);
  EXPECT_EQ(dial(client, of(kOutside, KS_HBONE_PORT)), EPERM);
  const auto events = programs_->take_events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].reason, KS_REASON_hbone_port_dial);
}

TEST_P(Outbound, ServiceWithoutEndpointsIsRefused) {
  lab_->put_service({service_address(), 80}, 8, 0, {});
  const Fd client = lab_->socket(kPodA, family());
  EXPECT_EQ(dial(client, {service_address(), 80}), EPERM);
  EXPECT_TRUE(has_event(programs_->take_events(), KS_REASON_no_endpoint));
}

TEST_P(Outbound, EgressPolicyDeniesBeforeAPacketLeaves) {
  const Fd app = lab_->listen(kOutside, family(), 8080);
  put_set(600, KS_DENY, 88);
  ks_pod row = lab_->pod(kPodA);
  row.egress_set = 600;
  lab_->put_pod(kPodA, row);
  const Fd client = lab_->socket(kPodA, family());
  EXPECT_EQ(dial(client, of(kOutside, 8080)), EPERM);
  auto events = programs_->take_events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].reason, KS_REASON_egress_denied);
  EXPECT_EQ(events[0].policy, 88u);
  put_set(600, KS_ALLOW, 88);
  EXPECT_EQ(dial(client, of(kOutside, 8080)), 0);
  EXPECT_TRUE(accept_from(app.get()));
}

TEST_P(Outbound, ExcludedPortIsLeftAlone) {
  const Fd app = lab_->listen(kOutside, family(), 3306);
  put_remote(PodLab::ip(kOutside, family()), KS_ADDRESS_REMOTE | KS_ADDRESS_READY);
  programs_->put("ks_port", ks_port_key{lab_->cookie(kPodA), 3306, 0, 0},
                 ks_port{KS_PORT_EXCLUDED_OUT});
  const Fd client = lab_->socket(kPodA, family());
  ASSERT_EQ(dial(client, of(kOutside, 3306)), 0);
  EXPECT_TRUE(accept_from(app.get()));
  EXPECT_TRUE(programs_->take_events().empty());
}

TEST_P(Outbound, UdpIsUntouched) {
  const Endpoint dialled{service_address(), 80};
  lab_->put_service(dialled, 1, KS_SERVICE_L7, {});
  const Fd client = lab_->socket(kPodA, family(), SOCK_DGRAM);
  ASSERT_EQ(dial(client, dialled), 0);
  EXPECT_EQ(peer_of(client), dialled);
  EXPECT_TRUE(programs_->take_events().empty());
}

TEST_P(OutboundMapped, AnIpv6SocketThatDialsAMappedAddressIsIpv4) {
  const Fd app = lab_->listen(kPodB, AF_INET, 8080);
  const Endpoint l7{service_address(1), 80}, plain{service_address(2), 80};
  lab_->put_service(l7, 1, KS_SERVICE_L7, {});
  lab_->put_service(plain, 2, 0, {of(kPodB, 8080)});
  const Fd captured = lab_->socket(kPodA, AF_INET6);
  ASSERT_EQ(dial(captured, l7), 0);
  const auto record = record_of(accept_from(outbound(kPodA)));
  ASSERT_TRUE(record);
  EXPECT_EQ(Endpoint::from_raw(record->original), l7);
  EXPECT_EQ(peer_of(captured), l7);
  const Fd direct = lab_->socket(kPodA, AF_INET6);
  ASSERT_EQ(dial(direct, plain), 0);
  EXPECT_TRUE(record_of(accept_from(app.get())));
  EXPECT_EQ(peer_of(direct), plain);
}

TEST_P(Outbound, FullBudgetIsEperm) {
  const Fd app = lab_->listen(kPodB, family(), 8080);
  programs_->put("ks_budget", lab_->cookie(kPodA), uint32_t{KS_TUPLES_PER_POD_MAX});
  const Fd client = lab_->socket(kPodA, family());
  EXPECT_EQ(dial(client, of(kPodB, 8080)), EPERM);
  EXPECT_TRUE(has_event(programs_->take_events(), KS_REASON_tuple_budget));
  programs_->put("ks_budget", lab_->cookie(kPodA), uint32_t{KS_TUPLES_PER_POD_MAX - 1});
  EXPECT_EQ(dial(client, of(kPodB, 8080)), 0);
  EXPECT_EQ(budget_of(kPodA), KS_TUPLES_PER_POD_MAX - 1u);
}

TEST_P(Outbound, FullTupleMapRefusesAndGivesTheBudgetBack) {
  const Fd app = lab_->listen(kPodB, family(), 8080);
  ks_tuple_key key{};
  key.pod = 1;
  for (uint32_t i = 0; i < KS_TUPLES_MAX; i++) {
    key.source.word[0] = i + 1;
    if (!programs_->try_put("ks_tuple", key, ks_attestation{})) break;
  }
  const uint64_t before = programs_->count(KS_REASON_tuple_map_full);
  const Fd client = lab_->socket(kPodA, family());
  EXPECT_EQ(dial(client, of(kPodB, 8080)), ECONNREFUSED);
  EXPECT_FALSE(is_readable(app.get()));
  EXPECT_EQ(programs_->count(KS_REASON_tuple_map_full), before + 1);
  EXPECT_EQ(budget_of(kPodA), 0u);
}

TEST_P(Outbound, ARecycledSocketForgetsItsEarlierLives) {
  const Fd local = lab_->listen(kPodA, family(), 9191);
  const Endpoint dialled{service_address(), 80};
  lab_->put_service(dialled, 1, KS_SERVICE_L7, {});
  const Fd client = lab_->socket(kPodA, family());
  EXPECT_EQ(dial(client, of(kPodB, 8083)), ECONNREFUSED) << "nobody listens";
  ASSERT_EQ(dial(client, dialled), 0);
  EXPECT_EQ(peer_of(client), dialled);
  const sockaddr none{AF_UNSPEC, {}};
  ASSERT_EQ(connect(client.get(), &none, sizeof(none)), 0);
  const Endpoint loopback{IpAddress::parse(family() == AF_INET ? "127.0.0.1" : "::1").value(),
                          9191};
  ASSERT_EQ(dial(client, loopback), 0);
  EXPECT_EQ(peer_of(client), loopback);
  EXPECT_EQ(programs_->size("ks_tuple"), 0u);
  EXPECT_EQ(budget_of(kPodA), 0u);
}

TEST_P(Outbound, AConnectThatFailsAfterTheHookLeavesNoTuple) {
  Fd client = lab_->socket(kPodA, family(), SOCK_STREAM | SOCK_NONBLOCK);
  const Endpoint loopback{IpAddress::parse(family() == AF_INET ? "127.0.0.1" : "::1").value(), 0};
  ASSERT_EQ(bind_to(client, loopback), 0);
  ASSERT_NE(dial(client, of(kPodB, 8080)), 0) << "from loopback to the network";
  client.reset();
  EXPECT_EQ(programs_->size("ks_tuple"), 0u);
  EXPECT_EQ(budget_of(kPodA), 0u);
}

TEST_P(Outbound, TheTupleOfAnUnansweredSynLivesUntilTheClientGivesUp) {
  lab_->shell(kPodB, "ip link set eth0 down");
  Fd client = lab_->socket(kPodA, family(), SOCK_STREAM | SOCK_NONBLOCK);
  const int result = dial(client, of(kPodB, 8080));
  const size_t in_flight = programs_->size("ks_tuple");
  const uint32_t held = budget_of(kPodA);
  const uint64_t before = programs_->count(KS_REASON_tuple_closed);
  client.reset();
  lab_->restore_link(kPodB);
  EXPECT_EQ(result, EINPROGRESS);
  EXPECT_EQ(in_flight, 1u);
  EXPECT_EQ(held, 1u);
  EXPECT_EQ(programs_->count(KS_REASON_tuple_closed), before + 1);
  EXPECT_EQ(programs_->size("ks_tuple"), 0u);
  EXPECT_EQ(budget_of(kPodA), 0u);
}

TEST_P(Outbound, ASynThatIsSentAgainRefreshesItsTuple) {
  lab_->shell(kPodB, "ip link set eth0 down");
  const Fd client = lab_->socket(kPodA, family(), SOCK_STREAM | SOCK_NONBLOCK);
  dial(client, of(kPodB, 8080));
  ks_tuple_key key{};
  bpf_map_get_next_key(programs_->map("ks_tuple"), nullptr, &key);
  const auto written = programs_->get<ks_attestation>("ks_tuple", key);
  auto refreshed = written;
  pollfd never{client.get(), 0, 0};
  for (int i = 0; i < 300 && refreshed && refreshed->written_ns == written->written_ns; i++) {
    poll(&never, 1, 10);  // the first retransmission comes after one second
    refreshed = programs_->get<ks_attestation>("ks_tuple", key);
  }
  lab_->restore_link(kPodB);
  ASSERT_TRUE(written);
  ASSERT_TRUE(refreshed);
  EXPECT_GT(refreshed->written_ns, written->written_ns);
  EXPECT_EQ(refreshed->source_identity, kIdentityA);
}

TEST_P(Outbound, TheSweeperRemovesOldTuplesAndGivesTheBudgetBack) {
  const uint64_t pod = lab_->cookie(kPodA);
  ks_tuple_key key{};
  ks_attestation row{};
  row.source_pod = pod;
  row.reserved = 1;
  for (uint16_t i = 0; i < 10; i++) {
    key.source_port = i;
    row.written_ns = i;
    programs_->put("ks_tuple", key, row);
  }
  programs_->put("ks_budget", pod, uint32_t{10});
  ks_sweep sweep{6, 0};
  LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &sweep, .ctx_size_in = sizeof(sweep));
  ASSERT_EQ(bpf_prog_test_run_opts(programs_->program("ks_sweep"), &run), 0);
  EXPECT_EQ(sweep.removed, 7u);
  EXPECT_EQ(programs_->size("ks_tuple"), 3u);
  EXPECT_EQ(budget_of(kPodA), 3u);
}

TEST_P(Outbound, ANamespaceThatIsNotEnrolledIsUntouched) {
  const Endpoint dialled{service_address(), 80};
  lab_->put_service(dialled, 1, KS_SERVICE_L7, {});
  const Fd app = lab_->listen(kNode, family(), 80);
  const Fd client = lab_->socket(kOutside, family());
  ASSERT_EQ(dial(client, of(kNode, 80)), 0);
  EXPECT_TRUE(accept_from(app.get()));
  EXPECT_TRUE(programs_->take_events().empty());
}

}  // namespace keelson::test
