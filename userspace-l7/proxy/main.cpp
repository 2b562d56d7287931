// keelson-l7: the proxy of one node. Exit status 0 after a drain, 1 when it cannot start, 2 bad
// usage.
#include <spdlog/async.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <csignal>

#include "proxy/app.h"
#include "proxy/privileges.h"

namespace {

using keelson::Result;

constexpr size_t kLogQueueLines = 8192;  // full: the oldest lines are dropped

void start_log(const std::string& level) {
  spdlog::init_thread_pool(kLogQueueLines, 1);
  auto log = std::make_shared<spdlog::async_logger>(
      "proxy", std::make_shared<spdlog::sinks::stderr_sink_mt>(), spdlog::thread_pool(),
      spdlog::async_overflow_policy::overrun_oldest);
  // UTC: there is no reading of time zones behind the system call filter.
  log->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      "%Y-%m-%dT%H:%M:%S.%eZ level=%l %v", spdlog::pattern_time_type::utc));
  log->set_level(spdlog::level::from_str(level));
  spdlog::set_default_logger(std::move(log));
}

Result<void> give_up_privileges(const keelson::proxy::Options& options) {
  KS_ASSIGN(const uint64_t descriptors, keelson::proxy::raise_fd_limit());
  if (options.user) KS_TRY(keelson::proxy::become(*options.user));
  KS_TRY(keelson::proxy::refuse_capabilities(options.allow_capabilities));
  spdlog::info("component=proxy uid={} descriptors={} workers={} msg=\"starting\"", ::getuid(),
               descriptors, options.workers);
  return {};
}

Result<void> serve(const keelson::proxy::Options& options) {
  KS_TRY(give_up_privileges(options));
  KS_ASSIGN(const auto app, keelson::proxy::App::start(options));
  // After every thread and file is there; it holds for all of them.
  KS_TRY(keelson::proxy::lock_system_calls());
  app->run();
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a log whose reader is gone is no reason to end
  const keelson::proxy::ParsedOptions parsed = keelson::proxy::parse_options(argc, argv);
  if (!parsed.options) return parsed.exit_code;
  start_log(parsed.options->log_level);
  int status = 0;
  if (auto served = serve(*parsed.options); served) {
    spdlog::info("component=proxy msg=\"drained and stopped\"");
  } else {
    spdlog::error("component=proxy reason={} msg=\"{}\"",
                  keelson::reason_name(served.error().reason), served.error().message());
    status = 1;
  }
  spdlog::shutdown();
  return status;
}
