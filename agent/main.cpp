// keelson-agent: one a node. Exit status 0 after a signal, 1 when it cannot start, 2 bad usage.
#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <csignal>

#include "app.h"
#include "retired.h"

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

int run(const keelson::Options& options) {
  if (!keelson::is_retired(options)) {
    auto app = keelson::App::start(options);
    if (!app) {
      spdlog::error("component=agent reason={} msg=\"{}\"",
                    keelson::reason_name(app.error().reason), app.error().message());
      return 1;
    }
    spdlog::info("component=agent node={} msg=\"started\"", options.node_name);
    const bool has_left = (*app)->run();
    app->reset();
    if (!has_left) {
      spdlog::info("component=agent msg=\"stopped; programs and maps stay in the kernel\"");
      return 0;
    }
    if (const auto marked = keelson::mark_retired(options); !marked)
      spdlog::warn("component=agent msg=\"{}\"", marked.error().message());
  }
  if (const auto served = keelson::serve_retired(options); !served) {
    spdlog::error("component=agent reason={} msg=\"{}\"",
                  keelson::reason_name(served.error().reason), served.error().message());
    return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a log whose reader is gone is no reason to end
  const keelson::ParsedOptions parsed = keelson::parse_options(argc, argv);
  if (!parsed.options) return parsed.exit_code;
  start_log(parsed.options->log_level);
  const int status = run(*parsed.options);
  spdlog::shutdown();
  return status;
}
