#include "lab_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace keelson::lab {

std::string_view component_name(Component component) noexcept {
  switch (component) {
    case Component::kHold:
      return "hold";
    case Component::kAgent:
      return "agent";
    case Component::kProxy:
      return "proxy";
  }
  return "unknown";
}

Result<Component> component_from(std::string_view name) {
  for (Component component : kComponents)
    if (component_name(component) == name) return component;
  return fail(Reason::bad_usage, ErrorSource::kConfig,
              fmt::format("component {}: one of hold, agent, proxy", name));
}

std::string component_program(Component component) {
  switch (component) {
    case Component::kHold:
      return "keelson-hold";
    case Component::kAgent:
      return "keelson-agent";
    case Component::kProxy:
      return "keelson-l7";
  }
  return "";
}

int Layout::node_number(std::string_view node) const noexcept {
  auto found = std::find(nodes.begin(), nodes.end(), node);
  return found == nodes.end() ? 0 : static_cast<int>(found - nodes.begin()) + 1;
}

std::string Layout::component_log(std::string_view node, Component component) const {
  return fmt::format("{}/{}.log", log_dir(node), component_name(component));
}

std::string Layout::pod_log(std::string_view node, std::string_view pod) const {
  return fmt::format("{}/pod-{}.log", log_dir(node), pod);
}

std::vector<std::string> Layout::component_command(std::string_view node,
                                                   Component component) const {
  std::string program = bin_dir + "/" + component_program(component);
  std::string hold_socket = run_dir(node) + "/hold.sock";
  switch (component) {
    case Component::kHold:
      return {program, "--run-dir", run_dir(node)};
    case Component::kAgent:
      return {program,         "--node",      std::string(node), "--run-dir",     run_dir(node),
              "--pin-dir",     pin_dir(node), "--manifests",     objects_dir(),   "--nodestate-dir",
              nodestate_dir(), "--state-dir", state_dir(node),   "--hold-socket", hold_socket,
              "--ca-dir",      ca_dir()};
    case Component::kProxy: {
      // As the DaemonSet would run it: nobody's user, no capability.
      std::vector<std::string> command = {
          program, "--run-dir", run_dir(node), "--user", "65532", "--drain-seconds", "5"};
      if (proxy_workers != 0)
        command.insert(command.end(), {"--workers", std::to_string(proxy_workers)});
      return command;
    }
  }
  return {};
}

std::string netns_path(std::string_view name) {
  return fmt::format("/run/netns/{}", name);
}

std::string gateway4(int node_number) {
  return fmt::format("10.244.{}.1", node_number);
}
std::string gateway6(int node_number) {
  return fmt::format("fd44:0:0:{:x}::1", node_number);
}
std::string pod_address4(int node_number, int slot) {
  return fmt::format("10.244.{}.{}", node_number, slot);
}
std::string pod_address6(int node_number, int slot) {
  return fmt::format("fd44:0:0:{:x}::{:x}", node_number, slot);
}
std::string node_address4(int node_number) {
  return fmt::format("192.168.244.{}", node_number);
}
std::string node_address6(int node_number) {
  return fmt::format("fd45::{:x}", node_number);
}
std::string cluster_ip4(int index) {
  return fmt::format("10.96.{}.{}", index / 256, index % 256);
}
std::string cluster_ip6(int index) {
  return fmt::format("fd96::{:x}", index);
}

Result<std::string> find_cgroup2() {
  // mountinfo: id parent major:minor root mount-point options [optional...] - type source options
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(" - cgroup2 ") == std::string::npos) continue;
    std::istringstream fields(line);
    std::string id, parent, device, root, mount_point;
    if (fields >> id >> parent >> device >> root >> mount_point) return mount_point;
  }
  return fail(Reason::kernel_feature_missing, ErrorSource::kKernel,
              "no cgroup v2 is mounted: mount -t cgroup2 none /sys/fs/cgroup/unified");
}

std::string find_bin_dir() {
  if (const char* from_environment = std::getenv("KEELSON_BIN")) return from_environment;
  std::error_code error;
  auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::string(".") : self.parent_path().string();
}

}  // namespace keelson::lab
