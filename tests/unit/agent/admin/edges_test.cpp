#include "admin/edges.h"

#include <gtest/gtest.h>

#include "admin/flow_log.h"

namespace keelson::admin {
namespace {

Flow flow(std::string from, std::string service, std::string_view path, bool allowed = true) {
  Flow made;
  made.from = std::move(from);
  made.service = std::move(service);
  made.to = "shop/pay-1";
  made.source = "10.1.0.2:40000";
  made.original = "10.96.0.1:80";
  made.destination = "10.1.0.3:8080";
  made.hook = "connect";
  made.path = path;
  made.allowed = allowed;
  made.reason = allowed ? "direct" : "not_allowed";
  return made;
}

struct TransportCase {
  const char* path;
  const char* service;
  const char* destination;
  Transport wanted;
};

TEST(Edges, TheTransportFollowsFromWhatTheKernelDecided) {
  for (const TransportCase& wanted : {
           TransportCase{"direct", "shop/pay", "10.1.0.3:8080", Transport::kDirect},
           TransportCase{"capture", "shop/pay", "10.2.0.3:8080", Transport::kMtls},
           TransportCase{"capture", "", "10.96.0.1:80", Transport::kMtls},  // a pod was dialled
           TransportCase{"capture", "shop/pay", "10.96.0.1:80", Transport::kProxy},
           TransportCase{"passthrough", "shop/pay", "10.1.0.9:8080", Transport::kPlain},
       }) {
    Flow seen = flow("shop/web-1", wanted.service, wanted.path);
    seen.destination = wanted.destination;
    EXPECT_EQ(transport_of(seen), wanted.wanted) << wanted.path << " " << wanted.destination;
  }
}

TEST(Edges, CallsOfOnePairAreOneEdgeAndTheLatestComesFirst) {
  Edges edges;
  edges.add(flow("shop/web-1", "shop/pay", "direct"));
  edges.add(flow("shop/cart-1", "shop/pay", "direct"));
  Flow far = flow("shop/web-1", "shop/pay", "capture");
  far.time = WallTime(std::chrono::seconds(7));
  edges.add(far);
  edges.add(flow("shop/web-1", "shop/pay", "none", false));
  const auto recent = edges.recent(20);
  ASSERT_EQ(recent.size(), 2U);
  EXPECT_EQ(recent[0].from, "shop/web-1");
  EXPECT_EQ(recent[0].to, "shop/pay");
  EXPECT_EQ(recent[0].allowed, 2U);
  EXPECT_EQ(recent[0].denied, 1U);
  EXPECT_EQ(recent[0].reason, "not_allowed");
  EXPECT_EQ(recent[0].transport_names(), (std::vector<std::string_view>{"direct", "mtls"}));
  EXPECT_EQ(recent[1].from, "shop/cart-1");
  EXPECT_EQ(edges.recent(1).size(), 1U);
}

TEST(Edges, WhoIsNotAPodIsAnAddressWithoutItsPort) {
  Edges edges;
  Flow outside = flow("", "", "none", false);
  outside.source = "[fd00::9]:5000";
  outside.to = "";
  edges.add(outside);
  EXPECT_EQ(edges.recent(1)[0].from, "fd00::9");
  EXPECT_EQ(edges.recent(1)[0].to, "10.96.0.1:80");
}

TEST(Edges, AForgedPacketCallsNobody) {
  Edges edges;
  Flow forged = flow("shop/web-1", "", "none", false);
  forged.hook = "source_check";
  edges.add(forged);
  EXPECT_EQ(edges.size(), 0U);
}

TEST(Edges, TheOneThatWasSeenLongestAgoGoesFirst) {
  Edges edges(2);
  edges.add(flow("shop/a", "shop/pay", "direct"));
  edges.add(flow("shop/b", "shop/pay", "direct"));
  edges.add(flow("shop/a", "shop/pay", "direct"));
  edges.add(flow("shop/c", "shop/pay", "direct"));
  ASSERT_EQ(edges.size(), 2U);
  EXPECT_EQ(edges.recent(2)[0].from, "shop/c");
  EXPECT_EQ(edges.recent(2)[1].from, "shop/a");
  EXPECT_EQ(edges.recent(2)[1].allowed, 2U);
}

}  // namespace
}  // namespace keelson::admin
