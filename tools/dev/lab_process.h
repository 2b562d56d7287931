// Processes of the lab: starting one in a pod's or node's sandbox (network namespace, cgroup, own
// mount namespace with the pod's /etc/hosts), and naming processes by pid *and* start time, so that
// a recorded pid never means somebody else's process. Any thread; the start itself forks.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace keelson::lab {

struct ProcessId {
  pid_t pid = 0;
  uint64_t start_ticks = 0;  // field 22 of /proc/PID/stat
  friend bool operator==(const ProcessId&, const ProcessId&) = default;
};

// Error: not_found when there is no such process.
Result<ProcessId> identify(pid_t pid);
bool is_alive(const ProcessId& process);
// Signals that very process (pidfd, start time compared) or nobody.
Result<void> signal_process(const ProcessId& process, int signal);
Result<void> record_pid(const std::string& file, const ProcessId& process);
Result<ProcessId> recorded_pid(const std::string& file);

struct Sandbox {
  std::string netns = {};       // path; empty: the caller's
  std::string cgroup = {};      // folder in cgroup v2; made when missing; empty: the caller's
  std::string hosts_file = {};  // mounted over /etc/hosts in a mount namespace of its own
  std::vector<std::string> hide = {};  // mount points that the process should not keep busy
};

struct ProcessSpec {
  std::vector<std::string> argv = {};
  std::map<std::string, std::string> environment = {};  // added to the caller's
  std::string working_dir = {};                         // empty: the caller's
  std::string log_file = {};                            // standard output and error, appended
  Sandbox sandbox;
};

struct Process {
  ProcessId id;
  Fd pidfd;
};

// The child dies with the thread that started it (PR_SET_PDEATHSIG), and leads its own session.
// Fails when the sandbox cannot be entered or the program cannot be executed.
Result<Process> start(const ProcessSpec& spec);

// Moves the calling process into the sandbox; for `lab exec`, just before execvp.
Result<void> enter(const Sandbox& sandbox);

}  // namespace keelson::lab
