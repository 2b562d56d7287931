// Control: the proxy's end of the link to the agent: connects (again and again), says Hello, builds
// configurations and gives them to the Applier, answers Ack when every worker serves one and Nack
// when it cannot be applied, answers for statistics. Main loop's thread. While the agent is away
// the last good configuration serves on. Does not know workers.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "config/builder.h"
#include "config/encode.h"
#include "io/poll.h"
#include "io/timer.h"

namespace keelson::proxy {

class Applier {
 public:
  virtual void on_maps(std::shared_ptr<const config::ProxyMaps> maps) = 0;
  // `on_taken` once, on this thread, when every worker serves it.
  virtual void apply(std::shared_ptr<const config::RuntimeConfig> config,
                     std::function<void()> on_taken) = 0;
  virtual config::Stats stats() = 0;
  virtual void count(Reason reason) = 0;

 protected:
  ~Applier() = default;
};

class Control {
 public:
  struct Options {
    std::string socket_path;
    config::Hello hello;
    int gauge = -1;  // borrowed: goes with hello.has_gauge
    std::chrono::milliseconds retry_first{100};
    std::chrono::milliseconds retry_max{5000};
  };
  Control(io::EventLoop& loop, Options options, Applier& applier);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  void connect();
  // False: the agent is away, or slow. Nothing is sent then.
  bool can_report() const noexcept { return is_connected() && outgoing_.empty(); }
  void report(const config::Denials& denials) { send(config::encode_denials(denials)); }
  // The process is about to end in good order.
  void say_goodbye() { send(config::encode_goodbye()); }
  bool is_connected() const noexcept { return static_cast<bool>(socket_); }
  uint64_t generation() const noexcept { return generation_; }  // the last one served; 0: none

 private:
  Result<void> try_connect();
  void disconnect(const std::string& why);
  void on_ready(io::Readiness ready);
  Result<bool> receive();  // false: nothing is there
  void handle(config::PacketOutcome outcome);
  void acknowledge(uint64_t generation);
  struct Outgoing {
    std::string payload;
    int fd = -1;  // borrowed; -1: none
  };
  void send(std::string payload, int fd = -1);
  Result<void> flush();

  io::EventLoop& loop_;
  const Options options_;
  Applier& applier_;
  config::Builder builder_;
  io::Timer retry_;
  std::chrono::milliseconds retry_delay_;
  Fd socket_;
  std::unique_ptr<io::Poll> poll_;
  std::deque<Outgoing> outgoing_;  // few: each answers a packet of the agent
  uint64_t connection_ = 0;        // so that an answer never goes to a later connection
  uint64_t generation_ = 0;
  bool is_quiet_ = false;  // the failure to connect was said
  const std::shared_ptr<bool> is_alive_;
};

}  // namespace keelson::proxy
