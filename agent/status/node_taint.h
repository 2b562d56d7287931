// NodeTaint: takes the start-up taint off the own Node once the agent is ready: then pods that want
// the mesh can start there. Who makes nodes puts it on (kubelet's --register-with-taints, a cluster
// autoscaler's template); nobody does while the agent runs, so one look each time the agent becomes
// ready is enough. The patch tests what it removes, so that whoever changes the list meanwhile
// loses nothing. Asks the time, never waits: the owner calls wake() at next_wake(), which may
// change whenever on_schedule is called. Agent loop only, like the client's callbacks.
// Reference: RFC 6902; Kubernetes "Taints and Tolerations".
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "kube/api_error.h"
#include "rest/client.h"

namespace keelson::status {

inline constexpr const char* kStartupTaint = "keelson.dev/agent-not-ready";

class NodeTaint {
 public:
  struct Seams {
    rest::Client& client;
    const Clock& clock;
    kube::Backoff::Random random;
    std::function<void()> on_schedule;
  };
  NodeTaint(const std::string& node_name, Seams seams);

  void set_ready(bool is_ready);

  std::optional<MonotonicTime> next_wake() const noexcept { return call_ ? std::nullopt : due_; }
  void wake();
  const std::optional<Error>& error() const noexcept { return error_; }  // of the last call

 private:
  void read();
  void on_read(Result<rest::Answer> answer);
  void remove(std::string patch);
  void on_removed(Result<rest::Answer> answer);
  void finish();
  void on_trouble(kube::ApiError why);

  const std::string target_;
  Seams seams_;
  kube::Backoff backoff_;
  bool is_ready_ = false;
  std::optional<MonotonicTime> due_;
  std::unique_ptr<rest::Call> call_;
  std::optional<Error> error_;
};

// A JSON patch that takes the taint off `node` (JSON); empty: it has none. Pure. Error:
// api_answer_malformed.
Result<std::string> taint_patch(const std::string& node);

}  // namespace keelson::status
