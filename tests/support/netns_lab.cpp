#include "support/netns_lab.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "lab_cleanup.h"
#include "lab_command.h"

namespace keelson::test {
namespace {

constexpr char kPrefixStem[] = "keelson-test-";

lab::Layout test_layout(const NetnsLabOptions& options) {
  lab::Layout layout;
  layout.prefix = kPrefixStem + std::to_string(::getpid());
  layout.bin_dir = lab::find_bin_dir();
  layout.without = options.without;
  return layout;
}

void remove_abandoned() {
  for (const std::string& prefix : lab::abandoned_prefixes(kPrefixStem)) {
    lab::Layout layout;
    layout.prefix = prefix;
    if (auto gone = lab::Client(layout).down(); !gone)
      ADD_FAILURE() << prefix << ": " << lab::describe(gone.error());
  }
}

template <class T>
void expect_done(const Result<T>& done, std::string_view what) {
  if (!done) ADD_FAILURE() << what << ": " << lab::describe(done.error());
}

}  // namespace

NetnsLab::NetnsLab(const NetnsLabOptions& options) : client_(test_layout(options)) {
  remove_abandoned();
  auto up = client_.up({.manifests = "", .ends_with_us = true});
  expect_done(up, "lab up");
  is_up_ = up.has_value();
  if (is_up_ && !options.manifest.empty()) apply(options.manifest, "base.yaml");
}

NetnsLab::~NetnsLab() {
  expect_done(client_.down(), "lab down");
  auto left = lab::leftovers(layout());
  EXPECT_TRUE(left.empty()) << fmt::format("left behind: {}", fmt::join(left, ", "));
}

void NetnsLab::apply(const std::string& yaml, const std::string& file) {
  expect_done(client_.apply({{file, yaml}}), "apply");
}
void NetnsLab::remove(std::string_view kind, std::string_view name) {
  expect_done(client_.remove(kind, name), "delete");
}
void NetnsLab::put_raw(std::string_view file, std::string_view text) {
  expect_done(client_.put_raw(file, text), "put_raw");
}
void NetnsLab::drop_raw(std::string_view file) {
  expect_done(client_.drop_raw(file), "drop_raw");
}
void NetnsLab::kill(lab::Component component, std::string_view node, bool restart) {
  expect_done(client_.kill(component, node, restart), "kill");
}
void NetnsLab::start(lab::Component component, std::string_view node) {
  expect_done(client_.start(component, node), "start");
}

lab::LabStatus NetnsLab::status() {
  auto now = client_.status();
  expect_done(now, "status");
  return now ? *now : lab::LabStatus{};
}

lab::PodStatus NetnsLab::pod(std::string_view name) {
  const lab::LabStatus now = status();
  const lab::PodStatus* found = now.pod(name);
  if (found != nullptr) return *found;
  ADD_FAILURE() << "no pod " << name;
  return {};
}

std::string NetnsLab::netns(std::string_view pod_or_node) {
  if (layout().node_number(pod_or_node) != 0) return lab::netns_path(layout().netns(pod_or_node));
  return lab::netns_path(layout().netns(pod(pod_or_node).node, pod_or_node));
}

Endpoint NetnsLab::pod4(std::string_view name, uint16_t port) {
  return endpoint(pod(name).ip4, port);
}
Endpoint NetnsLab::pod6(std::string_view name, uint16_t port) {
  return endpoint(pod(name).ip6, port);
}

Endpoint NetnsLab::service_address(std::string_view ns, std::string_view name, uint16_t port,
                                   bool is_v4) {
  std::istringstream lines(status().hosts[std::string(ns)]);
  const std::string wanted = fmt::format("{}.{}.svc.cluster.local", name, ns);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string address, host;
    words >> address >> host;
    if (host == wanted && (address.find(':') == std::string::npos) == is_v4)
      return endpoint(address, port);
  }
  ADD_FAILURE() << "no Service " << wanted;
  return {};
}

Endpoint NetnsLab::service4(std::string_view ns, std::string_view name, uint16_t port) {
  return service_address(ns, name, port, true);
}
Endpoint NetnsLab::service6(std::string_view ns, std::string_view name, uint16_t port) {
  return service_address(ns, name, port, false);
}

AdminAnswer NetnsLab::admin(std::string_view node, const std::string& path_and_query) {
  return admin_get(layout().agent_socket(node), path_and_query);
}

nlohmann::json NetnsLab::admin_json(std::string_view node, const std::string& path_and_query) {
  auto value = nlohmann::json::parse(admin(node, path_and_query).body, nullptr, false);
  return value.is_object() ? value : nlohmann::json::object();
}

std::vector<nlohmann::json> NetnsLab::flows(std::string_view node, const std::string& query) {
  std::vector<nlohmann::json> found;
  std::istringstream lines(admin(node, "/v1/observe?" + query).body);
  for (std::string line; std::getline(lines, line);)
    if (auto flow = nlohmann::json::parse(line, nullptr, false); flow.is_object())
      found.push_back(std::move(flow));
  return found;
}

uint64_t NetnsLab::counter(std::string_view node, std::string_view reason) {
  const auto now = agent_status(node);
  for (const char* list : {"connections", "refusals"})
    for (const auto& entry : now.value(list, nlohmann::json::array()))
      if (entry.value("reason", "") == reason) return entry.value("count", uint64_t{0});
  return 0;
}

uint64_t NetnsLab::map_writes(std::string_view node) {
  return agent_status(node).value("/rollout/map_writes"_json_pointer, uint64_t{0});
}

bool NetnsLab::wait_ready(std::chrono::milliseconds patience) {
  return wait_until(
      [&] {
        for (const std::string& node : layout().nodes)
          if (admin(node, "/readyz").status != 200) return false;
        return true;
      },
      patience);
}

bool NetnsLab::wait_workload(std::string_view name, std::string_view state) {
  const lab::PodStatus the_pod = pod(name);
  const std::string full = the_pod.ns + "/" + the_pod.name;
  return wait_until([&] {
    const auto now = agent_status(the_pod.node);
    for (const auto& workload : now.value("workloads", nlohmann::json::array()))
      if (workload.value("pod", "") == full) return workload.value("state", "") == state;
    return false;
  });
}

bool NetnsLab::wait_settled() {
  // Settled: each agent has applied what it read, its own meshed pods are ready, and it knows every
  // meshed pod of the other node as ready.
  return wait_until(
      [&] {
        for (const std::string& node : layout().nodes) {
          const auto now = agent_status(node);
          if (!now.contains("generation") || now["rollout"]["phase"] != "idle" ||
              now["generation"]["applied"] != now["generation"]["snapshot"] ||
              now["pods"]["meshed"] != now["pods"]["ready"])
            return false;
          for (const auto& workload : admin_json(node, "/v1/config/workloads")["workloads"])
            if (workload["state"] != "ready" && workload["state"] != "unmeshed") return false;
        }
        return true;
      },
      std::chrono::seconds(20));
}

std::string NetnsLab::logs() const {
  std::string text;
  for (const std::string& node : layout().nodes)
    for (lab::Component component : lab::kComponents) {
      auto log = lab::read_text(layout().component_log(node, component));
      if (!log) continue;
      constexpr size_t kTail = 3000;
      if (log->size() > kTail) log->erase(0, log->size() - kTail);
      text += fmt::format("---- {} of {}\n{}", lab::component_name(component), node, *log);
    }
  return text;
}

// ---- manifests ---------------------------------------------------------------------------------

std::string namespace_yaml(std::string_view name, bool is_meshed) {
  return fmt::format(
      "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: {}\n  labels: "
      "{{keelson.dev/mesh: {}}}\n",
      name, is_meshed ? "enabled" : "disabled");
}

std::string account_yaml(std::string_view ns, std::string_view name) {
  return fmt::format(
      "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {}, namespace: {}}}\n", name,
      ns);
}

std::string pod_yaml(std::string_view ns, std::string_view name, std::string_view node,
                     std::string_view account, std::string_view more_spec) {
  return fmt::format(
      "---\napiVersion: v1\nkind: Pod\n"
      "metadata: {{name: {0}, namespace: {1}, labels: {{app: {0}}}}}\n"
      "spec:\n  nodeName: {2}\n  serviceAccountName: {3}\n{4}",
      name, ns, node, account, more_spec);
}

std::string service_yaml(std::string_view ns, std::string_view name, uint16_t port,
                         uint16_t target) {
  return fmt::format(
      "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {0}, namespace: {1}}}\n"
      "spec:\n  selector: {{app: {0}}}\n  ports:\n"
      "  - {{name: tcp-main, port: {2}, targetPort: {3}, protocol: TCP}}\n",
      name, ns, port, target);
}

std::string deny_yaml(std::string_view ns, std::string_view name, std::string_view app,
                      std::string_view principal) {
  return fmt::format(
      "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
      "metadata: {{name: {1}, namespace: {0}}}\n"
      "spec:\n  action: DENY\n  selector: {{matchLabels: {{app: {2}}}}}\n  rules:\n"
      "  - from:\n    - source: {{principals: [\"{3}\"]}}\n",
      ns, name, app, principal);
}

}  // namespace keelson::test
