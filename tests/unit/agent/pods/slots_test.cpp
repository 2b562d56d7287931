#include "pods/slots.h"

#include <gtest/gtest.h>

namespace keelson::pods {
namespace {

using compile::bytes_of;
using compile::MapId;

TEST(Slots, gives_the_lowest_free_slot_and_keeps_it) {
  Slots slots;
  EXPECT_EQ(slots.take(100)->slot, 0U);
  EXPECT_EQ(slots.take(200)->slot, 1U);
  EXPECT_FALSE(slots.take(100)->fresh);
  slots.free(100);
  EXPECT_EQ(slots.take(300)->slot, 0U);
  EXPECT_EQ(slots.take(200)->slot, 1U);
}

TEST(Slots, recovers_slot_grace_and_interface_by_cookie_and_skips_the_node) {
  compile::Rows rows;
  ks_pod pod{};
  pod.slot = 1;
  pod.grace_until_ns = 55;
  rows[{MapId::kPod, bytes_of(uint64_t{100})}] = bytes_of(pod);
  ks_pod node{};
  node.flags = KS_POD_HOST;
  rows[{MapId::kPod, bytes_of(uint64_t{1})}] = bytes_of(node);
  rows[{MapId::kInterface, bytes_of(uint32_t{9})}] = bytes_of(ks_interface{100});
  Slots slots;
  slots.recover(rows);
  EXPECT_EQ(slots.cookies(), std::vector<uint64_t>{100});
  EXPECT_EQ(slots.take(200)->slot, 0U) << "the node's own row has no slot";
  EXPECT_EQ(slots.take(300)->slot, 2U);
  const auto recovered = slots.take(100);
  EXPECT_EQ(recovered->slot, 1U);
  EXPECT_EQ(recovered->grace_until_ns, 55U);
  EXPECT_EQ(recovered->host_ifindex, 9U);
  EXPECT_FALSE(recovered->fresh);
}

TEST(Slots, refuses_the_pod_after_the_last_slot) {
  Slots slots;
  for (uint64_t cookie = 1; cookie <= KS_PODS_MAX; ++cookie) ASSERT_TRUE(slots.take(cookie));
  EXPECT_FALSE(slots.take(KS_PODS_MAX + 1));
  slots.free(7);
  EXPECT_EQ(slots.take(KS_PODS_MAX + 1)->slot, 6U);
}

}  // namespace
}  // namespace keelson::pods
