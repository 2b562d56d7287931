// Gate: the agent's end of keelson-cni: answers /add when the pod is enrolled or need not be, or
// with the step that it waits for when its time is over; /del when it is out of the mesh again. It
// is an HTTP handler for an HttpServer on RUN_DIR/cni.sock and decides nothing itself: what a pod's
// standing is, Enroller says. Agent loop only; destroyed after its HttpServer.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "cni/messages.h"
#include "io/timer.h"
#include "serving/handler.h"

namespace keelson::cni {

struct Standing {
  enum class State : uint8_t {
    kWaiting,    // a later state will come by itself; `step` and `fix` say what for
    kEnrolled,   // listeners, hooks and rows are in place
    kNotMeshed,  // by label, or a pod that cannot be meshed and is said so elsewhere
    kRefused,    // meshed by label, but it never can be as it is
  };
  State state = State::kWaiting;
  std::string step;  // "waits for keelson-hold: ..."
  std::string fix;
};

class Enroller {
 public:
  virtual ~Enroller() = default;
  // From now on this is the pod's sandbox. Error: the attachment makes no sense.
  virtual Expected<void> attach(const Attachment& attachment) = 0;
  // The sandbox ends, whoever's it was.
  virtual void detach(const Attachment& attachment) = 0;
  // Only these are left.
  virtual void keep_only(const std::set<std::string>& container_ids) = 0;
  virtual Standing standing(const PodRef& pod) const = 0;
  // Nothing of this sandbox is in the mesh any more.
  virtual bool is_out(const std::string& container_id) const = 0;
  // The cluster's administrator takes the plugin off the node.
  virtual Expected<void> uninstall() = 0;
};

class Gate final : public serving::Handler {
 public:
  Gate(io::EventLoop& loop, const Clock& clock, Enroller& enroller);
  ~Gate() override;

  serving::Response handle(const serving::Request& request) override;
  // Whatever standing() and is_out() depend on may have changed.
  void settle();

  size_t waiting() const noexcept { return waiting_.size(); }

 private:
  class Answer;
  friend class Answer;
  struct Question {
    std::function<std::optional<CniError>()> decide;  // nothing: not yet
    std::function<CniError()> give_up;                // when the time is over
    MonotonicTime until;
  };

  serving::Response add(const Attachment& attachment);
  serving::Response del(const Attachment& attachment);
  serving::Response check(const Attachment& attachment);
  serving::Response collect_garbage(const std::vector<std::string>& container_ids);
  serving::Response wait_for(Question question);
  void arm();

  const Clock& clock_;
  Enroller& enroller_;
  std::set<Answer*> waiting_;
  io::Timer deadline_;
};

}  // namespace keelson::cni
