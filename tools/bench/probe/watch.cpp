#include "watch.h"

#include <poll.h>

#include <vector>

#include "dial.h"

namespace keelson::probe {
namespace {

class Watch {
 public:
  Watch(const Endpoint& to, size_t held, const Fd& stop, const Report& report)
      : to_(to), held_(held), stop_(stop), report_(report) {}

  void run() {
    while (!is_stopped()) {
      if (!open()) continue;
      bool is_refused = false, is_cut = held_ == 0;
      while (!(is_refused && is_cut) && !is_stopped()) {
        if (!is_refused) is_refused = see_refusal();
        if (!is_cut) is_cut = see_cut(is_refused);
      }
    }
  }

 private:
  bool is_stopped() const {
    pollfd watched{stop_.get(), POLLIN, 0};
    return ::poll(&watched, 1, 0) > 0;
  }

  // False: not let in yet. One connection more than are held proves that new ones are let in.
  bool open() {
    connections_.clear();
    while (connections_.size() < held_ + 1) {
      Dialled dialled = dial(to_);
      if (dialled.error != 0) return false;
      connections_.push_back(std::move(dialled.socket));
    }
    connections_.pop_back();
    report_("opened", clock_ns(CLOCK_MONOTONIC));
    return true;
  }

  bool see_refusal() {
    const Dialled dialled = dial(to_);
    if (dialled.error == 0) return false;
    report_("refused", dialled.ended_ns);
    return true;
  }

  // With nothing else to watch for it waits a moment instead of spinning.
  bool see_cut(bool may_wait) {
    constexpr int kMomentMs = 1;
    pollfd watched{connections_.back().get(), POLLIN | POLLRDHUP, 0};
    while (::poll(&watched, 1, may_wait ? kMomentMs : 0) > 0) {
      const int64_t now = clock_ns(CLOCK_MONOTONIC);
      connections_.pop_back();
      if (connections_.empty()) {
        report_("cut", now);
        return true;
      }
      watched.fd = connections_.back().get();
    }
    return false;
  }

  const Endpoint to_;
  const size_t held_;
  const Fd& stop_;
  const Report& report_;
  std::vector<Fd> connections_;
};

}  // namespace

void watch(const Endpoint& to, size_t held, const Fd& stop, const Report& report) {
  Watch(to, held, stop, report).run();
}

}  // namespace keelson::probe
