// A planned restart: the successor serves on the same listeners, the old proxy is told to end, and
// no request fails: neither of a client that connects anew for each, nor of one that keeps its
// connection as long as the answers let it.
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "lab_command.h"
#include "support/call_loop.h"
#include "support/http_peer.h"
#include "support/netns_lab.h"

namespace keelson::test {
namespace {

using lab::Component;

constexpr char kRoute[] = R"(---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: routed, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: routed}]
  rules: [{backendRefs: [{name: pay-http, port: 80}]}]
)";

// Requests one after another over a kept connection.
class KeepAliveLoop {
 public:
  KeepAliveLoop(std::string netns, const Endpoint& to)
      : thread_([this, netns = std::move(netns), to] { run(netns, to); }) {}
  ~KeepAliveLoop() { stop(); }
  void stop() {
    is_stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }
  size_t answered() const { return answered_; }
  size_t failed() const { return failed_; }
  size_t connections() const { return connections_; }

 private:
  void run(const std::string& netns, const Endpoint& to) {
    while (!is_stopping_) {
      HttpClient client(netns, to);
      connections_++;
      for (bool is_kept = true; is_kept && !is_stopping_;) {
        const HttpAnswer answer = client.get("/");
        (answer.status == 200 ? answered_ : failed_)++;
        is_kept = answer.status == 200 && !answer.headers.contains("connection");
      }
    }
  }
  std::atomic<bool> is_stopping_{false};
  std::atomic<size_t> answered_{0}, failed_{0}, connections_{0};
  std::thread thread_;
};

struct ProxyRestart : LabTest<ProxyRestart> {
  static NetnsLabOptions options() {
    return {.manifest = namespace_yaml("shop", true) + service_yaml("shop", "pay", 80, 8080) +
                        service_yaml("shop", "routed", 80, 8081) +
                        service_yaml("shop", "pay-http", 80, 8081) + kRoute +
                        pod_yaml("shop", "pay-http", "node2") + pod_yaml("shop", "pay", "node2") +
                        pod_yaml("shop", "web", "node1"),
            .without = {}};
  }
  void SetUp() override {
    LabTest<ProxyRestart>::SetUp();
    ASSERT_TRUE(lab().wait_settled());
  }

  size_t proxies_connected(const std::string& node) {
    auto log = lab::read_text(lab().layout().component_log(node, Component::kAgent));
    size_t count = 0;
    constexpr std::string_view kLine = "proxy connected";
    for (size_t at = 0; log && (at = log->find(kLine, at)) != std::string::npos; ++at) ++count;
    return count;
  }

  void expect_no_failed_request(const std::string& node) {
    TcpServer pay(lab().netns("pay"), 8080, "");
    const std::string request = "GET / HTTP/1.1\r\nhost: pay\r\nconnection: close\r\n\r\n";
    std::vector<std::unique_ptr<CallLoop>> clients;
    for (int i = 0; i < 4; ++i)
      clients.push_back(std::make_unique<CallLoop>(
          lab().netns("web"), Call{lab().service4("shop", "pay", 80), request, ""}));
    HttpServer routed(lab().netns("pay-http"), 8081, "routed");
    std::vector<std::unique_ptr<KeepAliveLoop>> keepers;
    for (int i = 0; i < 4; ++i)
      keepers.push_back(std::make_unique<KeepAliveLoop>(lab().netns("web"),
                                                        lab().service4("shop", "routed", 80)));
    const auto wait_for_calls = [&](size_t more) {
      for (const auto& client : clients) {
        const size_t before = client->tally().succeeded;
        EXPECT_TRUE(wait_until([&] { return client->tally().succeeded > before + more; }));
      }
      for (const auto& keeper : keepers) {
        const size_t before = keeper->answered();
        EXPECT_TRUE(wait_until([&] { return keeper->answered() > before + more; }));
      }
    };
    wait_for_calls(20);
    const size_t connected = proxies_connected(node);
    auto successor = lab::start({.argv = lab().layout().component_command(node, Component::kProxy),
                                 .log_file = lab().layout().component_log(node, Component::kProxy),
                                 .sandbox = {.netns = lab().netns(node)}});
    ASSERT_TRUE(successor) << lab::describe(successor.error());
    EXPECT_TRUE(wait_until([&] { return proxies_connected(node) > connected; }));
    auto told = lab().client().kill(Component::kProxy, node, /*restart=*/false, SIGTERM);
    ASSERT_TRUE(told) << lab::describe(told.error());
    const std::string name = "proxy@" + node;
    EXPECT_TRUE(wait_until([&] { return !lab().status().process(name)->running; }));
    EXPECT_EQ(lab().status().process(name)->last_failure, "exit code 0");
    wait_for_calls(50);
    for (const auto& client : clients) {
      const CallTally calls = client->stop();
      EXPECT_EQ(calls.failed(), 0u) << calls.text();
      EXPECT_GT(calls.succeeded, 70u);
    }
    for (const auto& keeper : keepers) {
      keeper->stop();
      EXPECT_EQ(keeper->failed(), 0u) << keeper->answered() << " answered";
      EXPECT_GE(keeper->connections(), node == "node1" ? 2u : 1u) << "it was asked to move";
    }
    // And back, so that the lab is as it was.
    lab().start(Component::kProxy, node);
    EXPECT_TRUE(wait_until([&] { return proxies_connected(node) > connected + 1; }));
    ASSERT_TRUE(lab::signal_process(successor->id, SIGTERM));
    int status = 0;
    ::waitpid(successor->id.pid, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    EXPECT_EQ(lab().agent_status(node).value("/proxy/streams_lost_total"_json_pointer, 99), 0)
        << "whoever says goodbye loses nothing";
  }
};

TEST_F(ProxyRestart, OnTheClientsNodeNoRequestFails) {
  expect_no_failed_request("node1");
}

TEST_F(ProxyRestart, OnTheServersNodeNoRequestFails) {
  expect_no_failed_request("node2");
}

}  // namespace
}  // namespace keelson::test
