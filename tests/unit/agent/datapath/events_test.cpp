#include "datapath/events.h"

#include <gtest/gtest.h>

namespace keelson::datapath {
namespace {

TEST(DecodeEvent, carries_every_field_over) {
  ks_event raw{};
  raw.time_ns = 5;
  raw.source_pod = 1;
  raw.source_identity = 2;
  raw.destination_pod = 3;
  raw.destination_identity = 4;
  raw.service = 6;
  raw.policy = 7;
  raw.source = Endpoint{*IpAddress::parse("10.0.0.1"), 40000}.raw();
  raw.destination = Endpoint{*IpAddress::parse("fd00::2"), 8080}.raw();
  raw.original = Endpoint{*IpAddress::parse("10.96.0.1"), 80}.raw();
  raw.reason = KS_REASON_policy_denied;
  raw.hook = KS_HOOK_LOOKUP;
  raw.verdict = KS_DENY;
  const FlowEvent event = decode_event(raw);
  EXPECT_EQ(event.time.time_since_epoch(), std::chrono::nanoseconds(5));
  EXPECT_EQ(event.source_pod, 1U);
  EXPECT_EQ(event.source_identity, 2U);
  EXPECT_EQ(event.destination_pod, 3U);
  EXPECT_EQ(event.destination_identity, 4U);
  EXPECT_EQ(event.service, 6U);
  EXPECT_EQ(event.policy, 7U);
  EXPECT_EQ(event.source.to_string(), "10.0.0.1:40000");
  EXPECT_EQ(event.destination.to_string(), "[fd00::2]:8080");
  EXPECT_EQ(event.original.to_string(), "10.96.0.1:80");
  EXPECT_EQ(event.reason, Reason::policy_denied);
  EXPECT_EQ(event.hook, KS_HOOK_LOOKUP);
  EXPECT_FALSE(event.allowed);
  raw.verdict = KS_ALLOW;
  EXPECT_TRUE(decode_event(raw).allowed);
}

}  // namespace
}  // namespace keelson::datapath
