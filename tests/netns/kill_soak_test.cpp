// Random kill -9 of everything but the pods, on both nodes, under mixed load. Whatever dies when,
// also all of a node at once: no direct call fails, no denied and no plaintext byte passes, and
// captured calls come through again; how long they waited is printed for each kind of kill.
// KEELSON_KILLS: how many (default 100); KEELSON_SEED: to repeat a run; KEELSON_KIND: only that.
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <string_view>
#include <utility>

#include "support/call_loop.h"
#include "support/netns_lab.h"
#include "support/packet_watch.h"

namespace keelson::test {
namespace {

using lab::Component;

constexpr char kMarker[] = "secret-marker-of-web";
constexpr char kDeniedMarker[] = "marker-of-mallory";
constexpr uint64_t kKillsDefault = 100;
constexpr std::chrono::milliseconds kPause{5};    // CallLoop says why; and failing calls are cheap
constexpr std::chrono::milliseconds kSlow{1500};  // to be served again: worth a line

uint64_t number_from(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

struct Kill {
  const char* name;
  std::vector<Component> components;
};
const Kill kKills[] = {{"agent", {Component::kAgent}},
                       {"proxy", {Component::kProxy}},
                       {"hold", {Component::kHold}},
                       {"agent and proxy", {Component::kAgent, Component::kProxy}},
                       {"proxy and agent", {Component::kProxy, Component::kAgent}},
                       {"hold and agent", {Component::kHold, Component::kAgent}},
                       // Then nobody has the listeners any more: until there are new ones, captured
                       // calls are refused. What must not pass still does not, what is direct does.
                       {"all three", {Component::kHold, Component::kAgent, Component::kProxy}}};

std::vector<const Kill*> kinds_of_kill() {
  const char* only = std::getenv("KEELSON_KIND");
  std::vector<const Kill*> kinds;
  for (const Kill& kill : kKills)
    if (only == nullptr || std::string_view(only) == kill.name) kinds.push_back(&kill);
  return kinds;
}

std::chrono::milliseconds since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               start);
}

struct Waits {
  size_t kills = 0;
  std::chrono::milliseconds longest_call{0};      // of the captured ones
  std::chrono::milliseconds longest_recovery{0};  // until each captured loop succeeded twice

  void add(std::chrono::milliseconds call, std::chrono::milliseconds recovery) {
    ++kills;
    longest_call = std::max(longest_call, call);
    longest_recovery = std::max(longest_recovery, recovery);
  }
};

struct KillSoak : LabTest<KillSoak> {
  static NetnsLabOptions options() {
    return {.manifest =
                namespace_yaml("shop", true) + namespace_yaml("outlaw", true) +
                account_yaml("outlaw", "mallory") + service_yaml("shop", "pay", 80, 8080) +
                service_yaml("shop", "ads", 80, 8080) + pod_yaml("shop", "pay", "node2") +
                pod_yaml("shop", "ads", "node1") + pod_yaml("shop", "web", "node1") +
                pod_yaml("outlaw", "mallory", "node1", "mallory") +
                deny_yaml("shop", "no-mallory", "pay", "cluster.local/ns/outlaw/sa/mallory") +
                deny_yaml("shop", "no-mallory-here", "ads", "cluster.local/ns/outlaw/sa/mallory"),
            .without = {}};
  }

  static std::string all_of(const std::vector<std::unique_ptr<CallLoop>>& loops) {
    std::string text;
    for (const auto& loop : loops) text += loop->tally().text() + "\n";
    return text;
  }
  // Each has succeeded anew since now.
  static bool come_through(const std::vector<std::unique_ptr<CallLoop>>& loops) {
    std::vector<size_t> before;
    for (const auto& loop : loops) before.push_back(loop->tally().succeeded);
    return wait_until(
        [&] {
          for (size_t i = 0; i < loops.size(); ++i)
            if (loops[i]->tally().succeeded < before[i] + 2) return false;
          return true;
        },
        std::chrono::seconds(20));
  }
  static std::chrono::milliseconds longest_of(const std::vector<std::unique_ptr<CallLoop>>& loops) {
    std::chrono::milliseconds longest{0};
    for (const auto& loop : loops) longest = std::max(longest, loop->take_longest());
    return longest;
  }
  static void print(const std::map<std::string, Waits>& waits) {
    for (const auto& [kind, wait] : waits)
      std::cout << "waits: " << kind << ": " << wait.kills << " kills, longest call "
                << wait.longest_call.count() << " ms, longest until served again "
                << wait.longest_recovery.count() << " ms" << std::endl;
  }
  // Only what runs can be killed: the lab restarts the dead after a moment.
  void kill_when_running(Component component, const std::string& node) {
    EXPECT_TRUE(wait_until([&] { return lab().client().kill(component, node).has_value(); }));
  }
};

TEST_F(KillSoak, NothingFailsThatMustNotAndNothingPassesThatMustNot) {
  ASSERT_TRUE(lab().wait_settled());
  const uint64_t seed = number_from("KEELSON_SEED", std::random_device{}());
  const uint64_t kills = number_from("KEELSON_KILLS", kKillsDefault);
  std::cout << "KEELSON_SEED=" << seed << " KEELSON_KILLS=" << kills << std::endl;
  std::mt19937_64 random(seed);
  TcpServer pay(lab().netns("pay"), 8080), ads(lab().netns("ads"), 8080);
  PacketWatch link(lab().netns("node1"), "eth0", kMarker);
  const std::string web = lab().netns("web"), mallory = lab().netns("mallory");
  const auto ads4 = lab().service4("shop", "ads", 80), ads6 = lab().service6("shop", "ads", 80);
  const auto pay4 = lab().service4("shop", "pay", 80), pay6 = lab().service6("shop", "pay", 80);
  std::vector<std::unique_ptr<CallLoop>> direct, captured, denied;
  for (const Endpoint& to : {ads4, ads6})
    direct.push_back(
        std::make_unique<CallLoop>(web, Call{.to = to, .request = kMarker, .pause = kPause}));
  for (const Endpoint& to : {pay4, pay6})
    captured.push_back(
        std::make_unique<CallLoop>(web, Call{.to = to, .request = kMarker, .pause = kPause}));
  for (const Endpoint& to : {ads4, pay4, pay6})
    denied.push_back(std::make_unique<CallLoop>(
        mallory, Call{.to = to, .request = kDeniedMarker, .pause = kPause}));
  ASSERT_TRUE(come_through(captured)) << all_of(captured);

  const std::vector<const Kill*> kinds = kinds_of_kill();
  ASSERT_FALSE(kinds.empty());
  std::map<std::string, Waits> waits;
  bool is_followed = false;
  longest_of(captured);
  for (uint64_t i = 0; i < kills && !HasFailure(); ++i) {
    const Kill& kill = *kinds[random() % kinds.size()];
    const std::string node = random() % 2 == 0 ? "node1" : "node2";
    SCOPED_TRACE(std::to_string(i) + ": " + kill.name + " on " + node);
    for (Component component : kill.components) kill_when_running(component, node);
    const auto killed = std::chrono::steady_clock::now();
    // Sometimes the next one dies before this one is back.
    const bool follows_another = std::exchange(is_followed, random() % 3 == 0);
    if (is_followed) continue;
    EXPECT_TRUE(come_through(captured)) << all_of(captured);
    const auto served = since(killed);
    // Sometimes it finds everything in place: what is late then is late because of this kill.
    if (random() % 2 == 0) {
      EXPECT_TRUE(lab().wait_ready());
      EXPECT_TRUE(come_through(captured)) << all_of(captured);
    }
    if (served > kSlow)
      std::cout << "slow: " << i << ": " << kill.name << " on " << node << ": " << served.count()
                << " ms" << std::endl;
    waits[follows_another ? "several" : kill.name].add(longest_of(captured), served);
    for (const auto& loop : direct) EXPECT_EQ(loop->tally().failed(), 0u) << loop->tally().text();
    for (const auto& loop : captured)
      EXPECT_EQ(loop->tally().cut_short + loop->tally().corrupted, 0u) << loop->tally().text();
    for (const auto& loop : denied) EXPECT_EQ(loop->tally().succeeded, 0u) << loop->tally().text();
    EXPECT_FALSE(link.has_seen(kMarker));
  }
  EXPECT_TRUE(come_through(captured)) << all_of(captured);
  EXPECT_TRUE(lab().wait_ready());
  print(waits);
  std::cout << "direct:\n"
            << all_of(direct) << "captured:\n"
            << all_of(captured) << "denied:\n"
            << all_of(denied);
  for (const auto& loop : direct) EXPECT_EQ(loop->stop().failed(), 0u) << loop->tally().text();
  captured.clear();
  denied.clear();
  EXPECT_EQ(pay.received().find(kDeniedMarker), std::string::npos);
  EXPECT_EQ(ads.received().find(kDeniedMarker), std::string::npos);
  EXPECT_NE(ads.received().find(kMarker), std::string::npos);
  EXPECT_EQ(link.missed(), 0u);
}

}  // namespace
}  // namespace keelson::test
