#include "proxy/app.h"

#include <openssl/ssl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <csignal>

#include "keelson_version.h"
#include "proxy/access_log_file.h"

namespace keelson::proxy {

// A worker as the Drain sees it: its answers come back to the main loop.
class App::WorkerDrain final : public Drained {
 public:
  WorkerDrain(App& app, Worker& worker) : app_(app), worker_(worker) {}
  void begin_drain(std::function<void()> on_idle) override {
    const bool posted = worker_.begin_drain(
        [app = &app_, on_idle = std::move(on_idle)] { app->post_here(on_idle); });
    if (!posted) app_.count(Reason::mailbox_full);
  }
  void last_call() override {
    if (!worker_.last_call()) app_.count(Reason::mailbox_full);
  }
  void reset_all() override {
    if (!worker_.reset_all()) app_.count(Reason::mailbox_full);
  }

 private:
  App& app_;
  Worker& worker_;
};

App::App(const Options& options, link::LiveGauge gauge)
    : options_(options),
      alarms_(loop_),
      gauge_(std::move(gauge)),
      report_timer_(loop_, [this] { report_denials(); }) {}

Result<std::unique_ptr<App>> App::start(const Options& options) {
  // Reads its configuration file now: there is no open() later.
  OPENSSL_init_ssl(0, nullptr);
  KS_ASSIGN(auto log, AccessLogFile::open(options.access_log, kAccessLogBytesMax));
  KS_ASSIGN(link::LiveGauge gauge, link::LiveGauge::make(options.workers));
  std::unique_ptr<App> app(new App(options, std::move(gauge)));
  if (options.ready) {
    KS_ASSIGN(app->ready_port_, ReadyPort::open(app->loop_, *options.ready));
  }
  app->start_parts(std::move(log));
  return app;
}

void App::start_parts(std::unique_ptr<AccessLog> log) {
  log_ = std::make_unique<DenialLog>(std::move(log));
  supply_ = std::make_unique<SocketSupply>(std::make_unique<HoldPodSockets>(options_.hold_socket));
  std::vector<Drained*> drained;
  for (unsigned index = 0; index < options_.workers; index++) {
    workers_.push_back(std::make_unique<Worker>(
        Worker::Parts{{index, options_.workers}, *supply_, *log_, clock_, &gauge_.cell(index)}));
    worker_drains_.push_back(std::make_unique<WorkerDrain>(*this, *workers_.back()));
    drained.push_back(worker_drains_.back().get());
  }
  drain_ = std::make_unique<Drain>(std::move(drained), alarms_, options_.drain, [this] {
    control_->say_goodbye();
    loop_.stop();
  });
  for (const int number : {SIGTERM, SIGINT})
    signals_.push_back(std::make_unique<io::Signal>(loop_, number, [this] {
      spdlog::info("component=proxy msg=\"draining\" seconds={}", options_.drain.count());
      drain_->request();
    }));
  control_ = std::make_unique<Control>(
      loop_,
      Control::Options{options_.agent_socket,
                       {config::kLinkProtocolVersion, KEELSON_VERSION,
                        static_cast<uint32_t>(::getpid()), options_.workers, true},
                       gauge_.fd()},
      static_cast<Applier&>(*this));
}

// The supply answers to workers' loops, workers to this one: in that order.
App::~App() {
  if (supply_) supply_->stop();
  workers_.clear();
}

void App::run() {
  control_->connect();
  report_timer_.start_repeating(kDenialReportInterval);
  loop_.run();
}

// At intervals, so that however fast policy refuses, the agent hears of it at a bounded rate.
void App::report_denials() {
  if (!control_->can_report()) return;
  const config::Denials denials = log_->take();
  if (!denials.is_empty()) control_->report(denials);
}

void App::post_here(std::function<void()> task) {
  // Nothing but answers is ever posted here, a handful per configuration.
  KS_ASSERT(loop_.post(std::move(task)));
}

void App::on_maps(std::shared_ptr<const config::ProxyMaps> maps) {
  const auto facts = std::make_shared<const KernelSocketFacts>(std::move(maps));
  for (const auto& worker : workers_)
    if (!worker->set_facts(facts)) count(Reason::mailbox_full);
}

void App::apply(std::shared_ptr<const config::RuntimeConfig> config,
                std::function<void()> on_taken) {
  std::vector<Error> findings;
  config_ = make_serving_config(std::move(config), config_.get(), findings);
  for (const Error& finding : findings) {
    count(finding.reason);
    spdlog::error("component=proxy reason={} generation={} msg=\"{}\"", reason_name(finding.reason),
                  config_->generation(), finding.message());
  }
  const auto waiting = std::make_shared<size_t>(workers_.size());
  const auto on_one = [this, waiting, on_taken = std::move(on_taken)] {
    if (--*waiting > 0) return;
    if (ready_port_) ready_port_->set_ready();
    on_taken();
  };
  for (const auto& worker : workers_)
    if (!worker->apply(config_, [this, on_one] { post_here(on_one); }))
      count(Reason::mailbox_full);  // and no acknowledgement: the agent sees it
}

config::Stats App::stats() {
  std::vector<const Stats*> all{&stats_};
  for (const auto& worker : workers_) all.push_back(&worker->stats());
  config::Stats total = sum(all);
  if (log_->dropped() > 0) total.reasons.emplace_back(Reason::access_log_dropped, log_->dropped());
  return total;
}

}  // namespace keelson::proxy
