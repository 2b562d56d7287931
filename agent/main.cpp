// keelson-agent: one a node. Exit status 0 after a signal, 1 when it cannot start, 2 bad usage.
#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <csignal>

#include "app.h"

namespace {

constexpr size_t kLogQueueLines = 8192;  // full: the oldest lines are dropped

void start_log(const std::string& level) {
  spdlog::init_thread_pool(kLogQueueLines, 1);
  auto log = std::make_shared<spdlog::async_logger>(
      "agent", std::make_shared<spdlog::sinks::stderr_sink_mt>(), spdlog::thread_pool(),
      spdlog::async_overflow_policy::overrun_oldest);
  log->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z level=%l %v");
  log->set_level(spdlog::level::from_str(level));
  spdlog::set_default_logger(std::move(log));
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a log whose reader is gone is no reason to end
  const keelson::ParsedOptions parsed = keelson::parse_options(argc, argv);
  if (!parsed.options) return parsed.exit_code;
  start_log(parsed.options->log_level);
  int status = 0;
  if (auto app = keelson::App::start(*parsed.options)) {
    spdlog::info("component=agent node={} msg=\"started\"", parsed.options->node_name);
    (*app)->run();
    spdlog::info("component=agent msg=\"stopped; programs and maps stay in the kernel\"");
  } else {
    spdlog::error("component=agent reason={} msg=\"{}\"", keelson::reason_name(app.error().reason),
                  app.error().message());
    status = 1;
  }
  spdlog::shutdown();
  return status;
}
