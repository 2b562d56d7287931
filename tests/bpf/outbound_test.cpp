// What an enrolled pod's connect() becomes: capture, direct, self, passthrough or EPERM, on real
// sockets with the hooks attached.
#include "hook_test.h"

namespace keelson::test {

class Outbound : public HookTest {};
INSTANTIATE_TEST_SUITE_P(Families, Outbound, testing::Values(AF_INET, AF_INET6), family_name);

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

}  // namespace keelson::test
