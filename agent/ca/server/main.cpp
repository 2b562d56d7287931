// keelson-ca: signs workload certificates. The issuance log goes to stdout, everything else to
// stderr. Exit status 0 after a signal, 1 when it cannot start, 2 bad usage.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <csignal>

#include "ca/server/app.h"

namespace {

void start_log(const std::string& level) {
  auto log =
      std::make_shared<spdlog::logger>("ca", std::make_shared<spdlog::sinks::stderr_sink_st>());
  log->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z level=%l %v");
  log->set_level(spdlog::level::from_str(level));
  spdlog::set_default_logger(std::move(log));
}

// The root's key is in this memory: no core file, and nobody of the same user looks in.
void shut_memory() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a log whose reader is gone is an error of its write
  const keelson::ca::ParsedOptions parsed = keelson::ca::parse_options(argc, argv);
  if (!parsed.options) return parsed.exit_code;
  shut_memory();
  start_log(parsed.options->log_level);
  auto app = keelson::ca::App::start(*parsed.options);
  if (!app) {
    spdlog::error("component=ca reason={} msg=\"{}\"", keelson::reason_name(app.error().reason),
                  app.error().message());
    return 1;
  }
  spdlog::info("component=ca msg=\"started\"");
  (*app)->run();
  spdlog::info("component=ca msg=\"stopped\"");
  return 0;
}
