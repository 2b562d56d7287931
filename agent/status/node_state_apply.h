// NodeStateApply: keeps the NodeState of this node at the API server as the agent wants it, by
// server-side apply with a fixed field manager (Kubernetes API concepts, "Server-Side Apply"): one
// call at a time, the newest state last, again after a growing delay while the server refuses or is
// away. Applying what is there changes nothing, so a restarted agent makes no change. Somebody who
// deletes or edits the object finds it as it was some seconds later; after a deletion nobody owns
// it: the garbage collector may have done it, since the Node was made anew under another uid, and
// would go on for ever. Asks the time, never waits: the owner calls wake() at next_wake(), which
// may change whenever on_schedule is called. Agent loop only, like the client's callbacks.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "kube/api_error.h"
#include "rest/client.h"
#include "status/node_state_writer.h"

namespace keelson::status {

inline constexpr const char* kFieldManager = "keelson-agent";

class NodeStateApply final : public NodeStateWriter {
 public:
  struct Seams {
    rest::Client& client;
    const Clock& clock;
    kube::Backoff::Random random;
    std::function<void()> on_schedule;
  };
  // `node_uid`: of the Node object, which owns what is applied; empty: nobody does.
  NodeStateApply(const std::string& node_name, std::string node_uid, Seams seams);

  // Never an error: what the server says comes later, in error().
  Result<bool> write(const model::NodeState& state) override;
  // What the source says of the own object; null: there is none.
  void on_seen(const model::NodeState* seen);

  std::optional<MonotonicTime> next_wake() const noexcept;
  void wake();
  // The server has what was written last.
  bool is_current() const noexcept { return !wanted_.empty() && applied_ == wanted_; }
  // Of the last call.
  const std::optional<Error>& error() const noexcept { return error_; }

 private:
  void send();
  void disown();
  void on_answer(Result<rest::Answer> answer);
  void on_refused(kube::ApiError why);

  const std::string target_;
  std::string node_uid_;
  Seams seams_;
  kube::Backoff backoff_;
  std::string wanted_, sent_, applied_;  // canonical text without an owner; empty: none yet
  std::string body_;                     // wanted_ with its owner
  bool was_seen_ = false;                // by the source, since it was last missing
  std::unique_ptr<rest::Call> call_;
  std::optional<MonotonicTime> retry_at_;
  std::optional<MonotonicTime> repair_at_;  // while the source shows something else
  std::optional<Error> error_;
};

}  // namespace keelson::status
