// Client: what the `lab` command and the tests do with a lab: start its supervisor, ask it for
// changes, look at its state, go into a pod. Plain structs, so that tests need no JSON. Blocking;
// any thread. The lab itself lives in the supervisor process and ends with it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "lab_layout.h"
#include "lab_objects.h"
#include "lab_process.h"

namespace keelson::lab {

struct ProcessStatus {
  std::string name;  // "agent@node1", "pod:web/main"
  std::string pod;   // empty: a component
  bool running = false;
  pid_t pid = 0;  // 0: not running
  int restarts = 0;
  std::string last_failure;  // how the last one ended
};

struct PodStatus {
  std::string name, ns, node, uid;
  bool ready = false;
  std::string ip4, ip6;
  std::string interface;  // the host side, in the node's namespace
};

struct LabStatus {
  std::vector<std::string> nodes;
  std::vector<ProcessStatus> processes;
  std::vector<PodStatus> pods;
  std::map<std::string, std::string> hosts;  // Kubernetes namespace -> its /etc/hosts

  const PodStatus* pod(std::string_view name) const;
  const ProcessStatus* process(std::string_view name) const;
};

struct StartOptions {
  std::string manifests;      // folder; empty: no objects yet
  bool ends_with_us = false;  // the lab goes down when this process ends, however it ends
};

class Client {
 public:
  explicit Client(Layout layout) : layout_(std::move(layout)) {}

  const Layout& layout() const noexcept { return layout_; }

  // Starts the supervisor in the background and waits until the lab is built.
  Result<void> up(const StartOptions& options);
  // Ends the supervisor, if any, and removes what is left. Fine to call when nothing is up.
  Result<void> down();

  Result<std::string> apply(const std::vector<SourceFile>& files) const;
  Result<std::string> remove(std::string_view kind, std::string_view name) const;
  Result<void> put_raw(std::string_view file, std::string_view text) const;
  Result<void> drop_raw(std::string_view file) const;
  Result<void> set_ready(std::string_view pod, bool is_ready) const;
  // SIGKILL unless told otherwise; answers the pid.
  Result<pid_t> kill(Component component, std::string_view node, bool restart = true,
                     int signal = 9) const;
  Result<void> start(Component component, std::string_view node) const;
  Result<LabStatus> status() const;

  // The sandbox of a pod, or of a node when `name` is one. Error: not_found.
  Result<Sandbox> sandbox(std::string_view name) const;
  Result<std::string> netns_of(std::string_view name) const;

 private:
  Layout layout_;
  Fd lifeline_;  // the supervisor has the other end
};

// All *.yaml and *.yml of a folder, by name; or the one file. Error: file_unreadable.
Result<std::vector<SourceFile>> read_manifests(const std::string& path);

}  // namespace keelson::lab
