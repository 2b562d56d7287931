// Supervisor: the one long-lived process of a lab. Owns the object book, the network and every
// child process; restarts children like kubelet; answers requests on the control socket; removes
// everything when it ends (SIGTERM, SIGINT, SIGHUP, `stop`, or its lifeline closing). One thread,
// one poll loop; requests are handled to their end one after another.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "lab_layout.h"
#include "lab_network.h"
#include "lab_objects.h"
#include "lab_process.h"

namespace keelson::lab {

class Supervisor {
 public:
  // lifeline: the read end of a pipe whose closing ends the lab; may be empty.
  Supervisor(const Layout& layout, const std::vector<SourceFile>& manifests, Fd lifeline);

  // Takes the lock, removes what an earlier lab left, builds the lab, calls `on_up`, and serves
  // until told to end. Whatever it returns, nothing of the lab is left (or the error says what).
  Result<void> run(const std::function<void()>& on_up);

 private:
  struct Child {
    ProcessSpec spec;
    Process process;
    std::string pid_file;
    std::string pod;        // empty: a component
    bool is_wanted = true;  // restart when it ends
    bool is_running = false;
    int quick_ends = 0;       // in a row; the back-off grows with them
    bool was_killed = false;  // by a request: that is no crash to back off from
    int restarts = 0;
    MonotonicTime started{};
    MonotonicTime next_start{};
    std::string last_failure;
  };
  struct RunningPod {
    std::string uid, node;
    int slot = 0;
  };

  Result<void> build();
  Result<void> serve();
  void end_all();

  Result<void> reconcile();
  Result<void> write_objects();
  Result<void> write_hosts();
  Result<void> start_pod(const LabPod& pod);
  void stop_pod(const std::string& name, const RunningPod& pod);
  Result<void> refresh_ready();
  bool answers_probe(const LabPod& pod) const;

  void add_components(const std::string& node);
  void add_child(const std::string& name, Child child);
  void start_child(const std::string& name, Child& child);
  void on_child_end(const std::string& name, Child& child);
  void stop_child(Child& child);
  void start_due_children();
  int poll_timeout_ms() const;

  void answer_request();
  nlohmann::json handle(const nlohmann::json& request);
  nlohmann::json handle_kill(const nlohmann::json& request);
  nlohmann::json status() const;
  Child* component(const nlohmann::json& request);

  const Layout layout_;
  const std::vector<SourceFile> manifests_;
  Fd lifeline_, signals_, control_;
  std::string cgroup_root_;
  Network network_;
  ObjectBook book_;
  SystemClock clock_;
  std::map<std::string, Child> children_;  // "agent@node1", "pod:web/main"
  std::map<std::string, RunningPod> running_;
  std::map<std::string, std::string> written_;        // objects folder: file -> text
  std::map<std::string, std::string> written_hosts_;  // namespace -> text
  bool is_ending_ = false;
};

}  // namespace keelson::lab
