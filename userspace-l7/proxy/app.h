// App: wires keelson-l7 together: workers, hold, the agent's link, signals and the drain. Owns all
// of it; main thread. Decides nothing.
#pragma once

#include <memory>
#include <vector>

#include "io/event_loop.h"
#include "io/signal.h"
#include "io/timer.h"
#include "link/live_gauge.h"
#include "proxy/control.h"
#include "proxy/denial_log.h"
#include "proxy/drain.h"
#include "proxy/options.h"
#include "proxy/ready_port.h"
#include "proxy/worker.h"

namespace keelson::proxy {

class App final : private Applier {
 public:
  static Result<std::unique_ptr<App>> start(const Options& options);
  ~App();

  void run();  // until it has drained

 private:
  class WorkerDrain;

  App(const Options& options, link::LiveGauge gauge);
  void start_parts(std::unique_ptr<AccessLog> log);
  void report_denials();
  void post_here(std::function<void()> task);

  void on_maps(std::shared_ptr<const config::ProxyMaps> maps) override;
  void apply(std::shared_ptr<const config::RuntimeConfig> config,
             std::function<void()> on_taken) override;
  config::Stats stats() override;
  void count(Reason reason) override { stats_.count(reason); }

  const Options options_;
  const SystemClock clock_;
  Stats stats_;  // of the main thread
  io::EventLoop loop_;
  hbone::LoopAlarms alarms_;
  const link::LiveGauge gauge_;            // outlives the workers, who count in it
  std::unique_ptr<ReadyPort> ready_port_;  // null: nobody asks
  std::unique_ptr<DenialLog> log_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<SocketSupply> supply_;
  ConfigLease config_;
  std::vector<std::unique_ptr<WorkerDrain>> worker_drains_;
  std::unique_ptr<Drain> drain_;
  std::unique_ptr<Control> control_;
  io::Timer report_timer_;
  std::vector<std::unique_ptr<io::Signal>> signals_;
};

}  // namespace keelson::proxy
