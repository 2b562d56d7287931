#include "proxy/access_log.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "proxy/stats.h"

namespace keelson::proxy {
namespace {

AccessRecord record() {
  AccessRecord made;
  made.time = WallTime(std::chrono::milliseconds(1700000000123));
  made.path = Path::kInbound;
  made.source = "shop/cart";
  made.source_identity = "spiffe://cluster.local/ns/shop/sa/cart";
  made.bytes_sent = 12;
  made.duration = std::chrono::milliseconds(34);
  made.reason = Reason::policy_denied;
  made.policy = "shop/deny-all";
  made.generation = 5;
  return made;
}

TEST(AccessLog, WritesOneJsonObject) {
  EXPECT_EQ(to_json_line(record()),
            R"({"time":"2023-11-14T22:13:20.123Z","path":"inbound","reason":"policy_denied",)"
            R"("source":"shop/cart","source_identity":"spiffe://cluster.local/ns/shop/sa/cart",)"
            R"("policy":"shop/deny-all","bytes_sent":12,"bytes_received":0,"duration_ms":34.0,)"
            R"("generation":5})");
}

TEST(AccessLog, APeersBytesCannotBreakTheLine) {
  AccessRecord evil = record();
  evil.detail = "a\n\"b\xff\x01";
  const std::string line = to_json_line(evil);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_NE(line.find(R"("detail":"a\n\"b)"), std::string::npos);
}

TEST(AccessLog, WritesEveryQueuedLineBeforeItEnds) {
  const std::string path = testing::TempDir() + "access-" + std::to_string(::getpid());
  {
    auto log = SpdlogAccessLog::open(path, 128);
    ASSERT_TRUE(log) << log.error().message();
    for (int i = 0; i < 50; i++) (*log)->write(record());
    EXPECT_EQ((*log)->dropped(), 0u);
  }
  std::ifstream file(path);
  std::string line;
  int lines = 0;
  while (std::getline(file, line)) lines++;
  EXPECT_EQ(lines, 50);
  std::remove(path.c_str());
}

TEST(ProxyStats, SumsWorkersByReason) {
  Stats first, second;
  first.count(Reason::policy_denied);
  second.count(Reason::policy_denied);
  second.count(Reason::relayed);
  first.connections_active.add(3);
  second.connections_active.add(4);
  second.connections_active.subtract();
  const Stats* all[] = {&first, &second};
  const config::Stats total = sum(all);
  EXPECT_EQ(total.connections_active, 6u);
  EXPECT_EQ(total.reasons, (std::vector<std::pair<Reason, uint64_t>>{{Reason::policy_denied, 2},
                                                                     {Reason::relayed, 1}}));
}

}  // namespace
}  // namespace keelson::proxy
