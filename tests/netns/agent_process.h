// AgentProcess: a keelson-agent in a namespace of the test, on folders below one of the test's:
// run/, state/ and agent.log; its runtime is the test's at runtime.sock. Ended by stop() or the
// destructor. Single-threaded.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <string>
#include <vector>

#include "netns/hold_process.h"
#include "support/admin_request.h"

namespace keelson::netns_test {

// The path of one of the programs that were built.
std::string binary(const std::string& name);

// The answers of a container runtime that has one sandbox, sandbox-1: CRI, serialized.
std::string sandbox_listing(bool has_sandbox = true);
std::string sandbox_status(const std::string& pod_uid, const std::string& address,
                           const std::string& netns_path);

class AgentProcess {
 public:
  AgentProcess(const Namespace& node, std::string folder, std::string pin_dir);
  ~AgentProcess() { stop(); }
  AgentProcess(const AgentProcess&) = delete;
  AgentProcess& operator=(const AgentProcess&) = delete;

  // Does not wait until it is ready. `arguments`: beside those for its folders.
  void start(const std::vector<std::string>& arguments);
  void stop(int signal = SIGTERM);

  test::AdminAnswer admin(const std::string& path) const;
  bool is_ready() const { return admin("/readyz").status == 200; }
  std::string log() const;

 private:
  std::string at(const std::string& name) const { return folder_ + "/" + name; }

  const Namespace& node_;
  const std::string folder_, pin_dir_;
  pid_t pid_ = -1;
};

}  // namespace keelson::netns_test
