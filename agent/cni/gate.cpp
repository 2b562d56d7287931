#include "cni/gate.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace keelson::cni {
namespace {

constexpr std::chrono::milliseconds kOutLimit{3000};  // the plugin waits a little longer

serving::Response text(int status, std::string body) {
  return {status, "text/plain; charset=utf-8", std::move(body), nullptr};
}

serving::Response answer(const CniError& error) {
  return {200, "application/json", encode_answer(error), nullptr};
}

// What a standing means to a pod that starts; nothing: it waits on.
std::optional<CniError> verdict(const Standing& standing) {
  switch (standing.state) {
    case Standing::State::kEnrolled:
    case Standing::State::kNotMeshed:
      return CniError{};
    case Standing::State::kRefused:
      return CniError{kPodRefused, standing.step, standing.fix};
    case Standing::State::kWaiting:
      break;
  }
  return std::nullopt;
}

CniError still_waiting(const Standing& standing, std::string_view time) {
  return {kTryAgainLater, "not enrolled" + std::string(time) + ": " + standing.step,
          standing.fix + "; the kubelet tries again by itself"};
}

}  // namespace

// One plugin that waits: a body of one line that comes later. It leaves the gate when it is
// answered, or when its client goes away.
class Gate::Answer final : public serving::LineSource {
 public:
  Answer(Gate& gate, Question question) : gate_(&gate), question_(std::move(question)) {
    gate.waiting_.insert(this);
  }
  ~Answer() override {
    if (gate_ != nullptr) gate_->waiting_.erase(this);
  }
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;

  std::optional<std::string> next() override { return std::exchange(line_, std::nullopt); }
  bool is_finished() const override { return is_answered_ && !line_; }
  void set_wake(std::function<void()> wake) override { wake_ = std::move(wake); }

  MonotonicTime until() const noexcept { return question_.until; }
  // True: answered, and left the gate.
  bool look(MonotonicTime now) {
    auto decided = question_.decide();
    if (!decided && question_.until <= now) decided = question_.give_up();
    if (!decided) return false;
    line_ = encode_answer(*decided);
    is_answered_ = true;
    leave();
    if (wake_) wake_();
    return true;
  }
  void leave() noexcept {
    if (gate_ != nullptr) gate_->waiting_.erase(this);
    gate_ = nullptr;
  }

 private:
  Gate* gate_;
  Question question_;
  std::optional<std::string> line_;
  bool is_answered_ = false;
  std::function<void()> wake_;
};

Gate::Gate(io::EventLoop& loop, const Clock& clock, Enroller& enroller)
    : clock_(clock), enroller_(enroller), deadline_(loop, [this] { settle(); }) {}

Gate::~Gate() {
  const std::vector<Answer*> left(waiting_.begin(), waiting_.end());
  for (Answer* each : left) each->leave();
}

serving::Response Gate::handle(const serving::Request& request) {
  if (request.method != "POST") return text(405, "POST only\n");
  if (request.path == "/gc") {
    const auto ids = decode_valid_containers(request.body);
    return ids ? collect_garbage(*ids) : text(400, ids.error().details + "\n");
  }
  if (request.path == "/uninstall") {
    const auto done = enroller_.uninstall();
    return answer(done ? CniError{} : done.error());
  }
  using Serve = serving::Response (Gate::*)(const Attachment&);
  const Serve serve = request.path == "/add"     ? &Gate::add
                      : request.path == "/del"   ? &Gate::del
                      : request.path == "/check" ? &Gate::check
                                                 : nullptr;
  if (serve == nullptr) return text(404, "/add, /check, /del, /gc, /uninstall\n");
  const auto attachment = decode_attachment(request.body);
  if (!attachment) return text(400, attachment.error().details + "\n");
  return (this->*serve)(*attachment);
}

serving::Response Gate::add(const Attachment& attachment) {
  if (const auto attached = enroller_.attach(attachment); !attached)
    return answer(attached.error());
  if (!attachment.waits) return answer({});
  const unsigned seconds = attachment.timeout_seconds;
  return wait_for({[this, pod = attachment.pod] { return verdict(enroller_.standing(pod)); },
                   [this, pod = attachment.pod, seconds] {
                     return still_waiting(enroller_.standing(pod),
                                          " in " + std::to_string(seconds) + " s");
                   },
                   clock_.now() + std::chrono::seconds(seconds)});
}

// The address may belong to another pod as soon as this is answered.
serving::Response Gate::del(const Attachment& attachment) {
  enroller_.detach(attachment);
  const std::string& id = attachment.container_id;
  return wait_for({[this, id]() -> std::optional<CniError> {
                     if (enroller_.is_out(id)) return CniError{};
                     return std::nullopt;
                   },
                   [] {
                     return CniError{kTryAgainLater, "the pod is still on its way out", ""};
                   },
                   clock_.now() + kOutLimit});
}

serving::Response Gate::check(const Attachment& attachment) {
  const Standing standing = enroller_.standing(attachment.pod);
  return answer(verdict(standing).value_or(still_waiting(standing, "")));
}

serving::Response Gate::collect_garbage(const std::vector<std::string>& container_ids) {
  enroller_.keep_only({container_ids.begin(), container_ids.end()});
  return answer({});
}

serving::Response Gate::wait_for(Question question) {
  auto waits = std::make_unique<Answer>(*this, std::move(question));
  if (!waits->look(clock_.now())) arm();
  return {200, "application/json", {}, std::move(waits)};
}

void Gate::settle() {
  const MonotonicTime now = clock_.now();
  const std::vector<Answer*> all(waiting_.begin(), waiting_.end());
  for (Answer* each : all) each->look(now);
  arm();
}

void Gate::arm() {
  if (waiting_.empty()) return deadline_.stop();
  const auto first = std::min_element(waiting_.begin(), waiting_.end(),
                                      [](auto* a, auto* b) { return a->until() < b->until(); });
  deadline_.start_at((*first)->until(), clock_.now());
}

}  // namespace keelson::cni
