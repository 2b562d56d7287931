// NetnsLab: a lab of a test's own (two nodes, pods, and as far as the test wants them hold, agent
// and proxy), built before the first test of a fixture and gone after the last, also when the test
// program is killed (the supervisor's lifeline) or its supervisor was (the next run removes what
// that one left). Names are keelson-test-<pid>-*. Blocking; the test's thread.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "lab_client.h"
#include "support/admin_request.h"
#include "support/tcp_peer.h"
#include "support/wait_until.h"

namespace keelson::test {

struct NetnsLabOptions {
  std::string manifest;  // YAML, applied while the lab is built
  std::set<lab::Component> without = {lab::Component::kProxy};
};

class NetnsLab {
 public:
  // Fails the current test (and is_up() is false) when the lab cannot be built.
  explicit NetnsLab(const NetnsLabOptions& options);
  // Checks that nothing is left.
  ~NetnsLab();
  NetnsLab(const NetnsLab&) = delete;
  NetnsLab& operator=(const NetnsLab&) = delete;

  bool is_up() const { return is_up_; }
  lab::Client& client() { return client_; }
  const lab::Layout& layout() const { return client_.layout(); }

  // Each fails the current test when the lab refuses.
  void apply(const std::string& yaml, const std::string& file = "test.yaml");
  void remove(std::string_view kind, std::string_view name);
  void put_raw(std::string_view file, std::string_view text);
  void drop_raw(std::string_view file);
  void kill(lab::Component component, std::string_view node, bool restart = true);
  void start(lab::Component component, std::string_view node);
  lab::LabStatus status();

  lab::PodStatus pod(std::string_view name);  // fails the test when there is none
  std::string netns(std::string_view pod_or_node);
  Endpoint pod4(std::string_view name, uint16_t port);
  Endpoint pod6(std::string_view name, uint16_t port);
  // First ClusterIP of a family, read from the name resolution that pods get.
  Endpoint service4(std::string_view ns, std::string_view name, uint16_t port);
  Endpoint service6(std::string_view ns, std::string_view name, uint16_t port);

  AdminAnswer admin(std::string_view node, const std::string& path_and_query);
  nlohmann::json admin_json(std::string_view node, const std::string& path_and_query);
  nlohmann::json agent_status(std::string_view node) { return admin_json(node, "/v1/status"); }
  // Flows as /v1/observe tells them, newest last.
  std::vector<nlohmann::json> flows(std::string_view node, const std::string& query);
  uint64_t counter(std::string_view node, std::string_view reason);
  uint64_t map_writes(std::string_view node);

  // All agents ready and what they last read is applied.
  bool wait_ready(std::chrono::milliseconds patience = std::chrono::seconds(20));
  // The node's agent says this of its pod: "ready", "unmeshed", ...
  bool wait_workload(std::string_view pod, std::string_view state);
  // Every agent lists that many pods of other nodes as ready.
  bool wait_settled();
  std::string logs() const;  // of all components: for failure messages

 private:
  Endpoint service_address(std::string_view ns, std::string_view name, uint16_t port, bool is_v4);
  lab::Client client_;
  bool is_up_ = false;
};

// One lab for all tests of a fixture class. Subclasses give the manifest:
//   struct DirectPath : LabTest<DirectPath> { static NetnsLabOptions options(); };
template <class Fixture>
class LabTest : public ::testing::Test {
 public:
  static void SetUpTestSuite() {
    lab_ = std::make_unique<NetnsLab>(Fixture::options());
    if (lab_->is_up() && !lab_->layout().is_without(lab::Component::kAgent))
      is_ready_ = lab_->wait_ready();
  }
  static void TearDownTestSuite() { lab_.reset(); }

 protected:
  void SetUp() override {
    ASSERT_TRUE(lab_->is_up());
    if (lab_->layout().is_without(lab::Component::kAgent)) return;
    ASSERT_TRUE(is_ready_) << lab_->logs();
  }
  void TearDown() override {
    if (HasFailure()) std::fprintf(stderr, "%s\n", lab_->logs().c_str());
  }
  static NetnsLab& lab() { return *lab_; }

 private:
  static inline std::unique_ptr<NetnsLab> lab_;
  static inline bool is_ready_ = false;
};

// A pod with nothing in it, on a node: tests bring their own sockets.
std::string pod_yaml(std::string_view ns, std::string_view name, std::string_view node,
                     std::string_view account = "default", std::string_view more_spec = "");
std::string account_yaml(std::string_view ns, std::string_view name);
std::string namespace_yaml(std::string_view name, bool is_meshed);
// Selects pods whose label app is the Service's name.
std::string service_yaml(std::string_view ns, std::string_view name, uint16_t port,
                         uint16_t target);
// Denies what the source names; app: the pods selected.
std::string deny_yaml(std::string_view ns, std::string_view name, std::string_view app,
                      std::string_view principal);

}  // namespace keelson::test
