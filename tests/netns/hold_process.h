// Namespaces, a keelson-hold process and a ks_tag map of a test's own, all removed by destructors.
// For hold_test and datapath_test; single-threaded.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "base/fd.h"
#include "netns/scratch.h"

namespace keelson::netns_test {

// Runs a command line; a failure fails the test.
void run(const std::string& command);

// /run/netns/<scratch prefix>-<name>, with lo up.
class Namespace {
 public:
  explicit Namespace(const std::string& name);
  ~Namespace();
  Namespace(const Namespace&) = delete;
  Namespace& operator=(const Namespace&) = delete;

  const std::string& name() const { return name_; }
  std::string path() const { return "/run/netns/" + name_; }
  void run(const std::string& command) const;  // inside
  Fd socket(int domain, int type, int protocol = 0) const;
  // Runs `work` with this thread inside the namespace.
  void inside(const std::function<void()>& work) const;

 private:
  std::string name_;
};

// eth0 in `pod` with `address` (CIDR; empty: none), its peer `host_name` in `node`.
void connect_pod(const Namespace& node, const Namespace& pod, const std::string& host_name,
                 const std::string& address);

uint64_t netns_cookie(const Fd& socket);
uint64_t socket_cookie(const Fd& socket);
Fd make_tag_map();

class HoldProcess {
 public:
  // Starts in `node`; ready when the constructor returns.
  HoldProcess(const Namespace& node, std::string run_dir, const std::string& extra = "");
  ~HoldProcess();
  HoldProcess(const HoldProcess&) = delete;
  HoldProcess& operator=(const HoldProcess&) = delete;

  void kill();  // SIGKILL and wait
  pid_t pid() const { return pid_; }
  std::string socket_path() const { return run_dir_ + "/hold.sock"; }

 private:
  std::string run_dir_;
  pid_t pid_ = -1;
};

}  // namespace keelson::netns_test
