// ProcSource: the last resort where no container runtime answers: a process of the pod is found by
// its cgroup (.../kubepods.../pod<UID>/...), and its /proc/PID/ns/net is the pod's namespace. Such
// a path ends with its process; hold keeps the namespace open, and the next listing has another
// one. What it finds is guessed (Sandbox::is_guessed). Hold may open it only with CAP_SYS_PTRACE
// where the process has more capabilities than hold.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "io/event_loop.h"
#include "io/timer.h"
#include "pods/sandboxes.h"

namespace keelson::pods {

// "0::/kubepods/burstable/pod0f1e-22.../9f3a", "kubepods-besteffort-pod0f1e_22.slice" of the
// systemd driver: "0f1e-22...". Of all lines of /proc/PID/cgroup the first that names a pod; empty:
// none does. Pure.
std::string pod_uid_of_cgroup(std::string_view text);

class ProcSource final : public NetnsSource {
 public:
  ProcSource(io::EventLoop& loop, std::string proc = "/proc");

  void list(OnListed on_listed) override;
  std::string name() const override { return proc_; }
  // At once; blocking reads of a file system in memory.
  Result<std::vector<Sandbox>> scan();

 private:
  const std::string proc_;
  std::map<std::string, Sandbox> last_;  // by uid: a path that still leads there is kept
  OnListed on_listed_;
  io::Timer later_;
};

}  // namespace keelson::pods
