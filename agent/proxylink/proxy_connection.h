// ProxyConnection: one proxy on the link: its Hello, what is on its way to it, what it answered.
// A whole update supersedes one that waits, so at most two are kept for a slow proxy; one that
// makes no progress at all loses its connection. Agent loop only. on_change() tells the owner that
// something changed, also from within send(): the owner looks later. Does not know what a rollout
// waits for.
//
// State           entered by            left by
//   is_ready() no  accept               a valid Hello, or death
//   is_ready() yes a valid Hello        death: closed, malformed, unresponsive, send error
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "config/encode.h"
#include "io/poll.h"
#include "io/timer.h"
#include "link/live_gauge.h"

namespace keelson::proxylink {

// One full configuration, encoded, for any number of connections.
struct Update {
  uint64_t generation = 0;  // on the wire
  std::vector<config::Payload> payloads;
  std::vector<std::shared_ptr<const Fd>> keys;  // keep the payloads' descriptors open
};

class ProxyConnection {
 public:
  struct Setup {
    io::EventLoop& loop;
    const Clock& clock;
    std::chrono::milliseconds patience;
    std::function<void()> on_change;
  };
  static Result<std::unique_ptr<ProxyConnection>> open(Setup setup, Fd socket);

  void send(std::shared_ptr<const Update> update);
  void request_stats();

  bool is_dead() const noexcept { return death_.has_value(); }
  bool is_ready() const noexcept { return hello_.has_value() && !is_dead(); }
  bool was_ready() const noexcept { return hello_.has_value(); }
  bool was_sent_to() const noexcept { return sent_ != 0; }
  const std::optional<Error>& death() const noexcept { return death_; }
  const config::Hello& hello() const noexcept { return *hello_; }  // precondition: was_ready()
  uint64_t acknowledged() const noexcept { return acknowledged_; }
  const std::optional<config::Nack>& nack() const noexcept { return nack_; }  // of the newest
  const std::optional<config::Stats>& stats() const noexcept { return stats_; }
  // What it reported since the last call.
  config::Denials take_denials() { return std::exchange(denials_, {}); }
  // Of one that died without a goodbye: what it carried last. Once.
  std::optional<link::LiveGaugeView> take_lost_gauge();
  const std::optional<link::LiveGaugeView>& gauge() const noexcept { return gauge_; }
  // Owes an answer to what it was sent longer than its patience.
  bool is_silent() const;

 private:
  struct Sending {
    std::shared_ptr<const Update> update;
    size_t next = 0;
  };

  ProxyConnection(Setup setup, Fd socket);
  void on_impatient();
  void on_ready(io::Readiness ready);
  void receive();
  Result<void> on_messages(config::ProxyMessages messages, std::vector<Fd> fds);
  Result<void> on_hello(config::Hello hello, std::vector<Fd> fds);
  void on_denials(config::Denials denials);
  bool flush();
  bool send_next();  // false: nothing to send, or nothing fits
  void die(Error error);

  Setup setup_;
  Fd socket_;
  std::optional<io::Poll> poll_;
  io::Timer impatience_;
  std::deque<Sending> queue_;
  bool is_stats_wanted_ = false;
  std::optional<config::Hello> hello_;
  std::optional<config::Nack> nack_;
  std::optional<config::Stats> stats_;
  config::Denials denials_;
  std::optional<link::LiveGaugeView> gauge_;
  bool has_said_goodbye_ = false;
  std::optional<Error> death_;
  uint64_t sent_ = 0;  // newest generation that was queued
  uint64_t acknowledged_ = 0;
  MonotonicTime asked_at_;  // when an answer to sent_ became due
};

}  // namespace keelson::proxylink
