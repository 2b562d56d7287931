// keelson-hold: the only process that enters a pod's namespace. See server.h and inventory.h.
#include <getopt.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "hold/privileges.h"
#include "hold/server.h"
#include "keelson_version.h"

namespace {

using keelson::Fd;
using keelson::Reason;
using keelson::Result;

constexpr char kUsage[] =
    "usage: keelson-hold [--run-dir DIR] [--allow-proxy-uid UID]\n"
    "  --run-dir DIR          folder of hold.sock (default /run/keelson)\n"
    "  --allow-proxy-uid UID  one more user that may ask for sockets, for tests\n"
    "  --version              tells the version and ends\n";

bool parse(int argc, char** argv, keelson::hold::ServerOptions& options) {
  const option known[] = {{"run-dir", required_argument, nullptr, 'r'},
                          {"allow-proxy-uid", required_argument, nullptr, 'u'},
                          {"help", no_argument, nullptr, 'h'},
                          {"version", no_argument, nullptr, 'v'},
                          {nullptr, 0, nullptr, 0}};
  for (int chosen; (chosen = ::getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    char* end = nullptr;
    switch (chosen) {
      case 'r':
        options.run_dir = optarg;
        break;
      case 'u':
        options.extra_proxy_uid = static_cast<uid_t>(std::strtoul(optarg, &end, 10));
        if (end == optarg || *end != '\0') return false;
        break;
      case 'h':
        std::fputs(kUsage, stdout);
        std::exit(0);
      case 'v':
        std::puts("keelson-hold " KEELSON_VERSION);
        std::exit(0);
      default:
        return false;
    }
  }
  return optind == argc;
}

Result<Fd> catch_stop_signals() {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  if (::sigprocmask(SIG_BLOCK, &stop, nullptr) != 0)
    return keelson::fail_errno(Reason::io_error, errno, "sigprocmask");
  Fd fd(::signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return keelson::fail_errno(Reason::io_error, errno, "signalfd");
  return fd;
}

Result<void> serve(const keelson::hold::ServerOptions& options) {
  KS_ASSIGN(const Fd stop, catch_stop_signals());
  KS_TRY(keelson::hold::raise_fd_limit());
  KS_ASSIGN(keelson::hold::Server server, keelson::hold::Server::open(options));
  KS_TRY(keelson::hold::drop_privileges());
  spdlog::info("component=hold msg=\"serving\" run_dir={}", options.run_dir);
  return server.run(stop);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a log whose reader is gone is no reason to end
  spdlog::set_default_logger(spdlog::stderr_logger_st("hold"));
  spdlog::set_pattern("time=%Y-%m-%dT%H:%M:%S.%e level=%l %v");
  keelson::hold::ServerOptions options;
  if (!parse(argc, argv, options)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  const auto served = serve(options);
  if (!served) {
    spdlog::error("component=hold reason={} msg=\"{}\"", reason_name(served.error().reason),
                  served.error().message());
    return 1;
  }
  spdlog::info("component=hold msg=\"stopped\"");
  return 0;
}
