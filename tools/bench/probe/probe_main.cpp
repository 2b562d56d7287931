// keelson-probe: measures what Python is too slow to see of connections. `connect` costs them,
// `watch` sees a policy come into force, `listen` is the other end of both. Exit status 0 when it
// ran, 1 when it could not, 2 on bad usage.
#include <fmt/format.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "connect_cost.h"
#include "listener.h"
#include "watch.h"

namespace {

using namespace keelson;
using namespace keelson::probe;

constexpr int kFine = 0, kFailed = 1, kBadUsage = 2;

// Readable once the process is told to end.
Result<Fd> open_stop() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  Fd stop(::signalfd(-1, &set, SFD_CLOEXEC));
  if (!stop) return fail_errno(Reason::io_error, errno, "signalfd");
  return stop;
}

void say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

struct Options {
  std::string address;
  size_t count = 1000, held = 0;
};

Result<void> run_connect(const Options& options) {
  KS_ASSIGN(const Endpoint to, Endpoint::parse(options.address));
  say(measure_connects(to, options.count).json());
  return {};
}

Result<void> run_listen(const Options& options) {
  KS_ASSIGN(const Endpoint at, Endpoint::parse(options.address));
  KS_ASSIGN(const Fd stop, open_stop());
  KS_ASSIGN(const Fd listening, listen_on(at));
  KS_ASSIGN(const uint16_t port, local_port(listening));
  say(fmt::format(R"({{"listening":"{}"}})", Endpoint{at.address, port}.to_string()));
  return serve(listening, stop);
}

Result<void> run_watch(const Options& options) {
  KS_ASSIGN(const Endpoint to, Endpoint::parse(options.address));
  KS_ASSIGN(const Fd stop, open_stop());
  watch(to, options.held, stop, [](std::string_view event, int64_t at_ns) {
    say(fmt::format(R"({{"event":"{}","at_ns":{}}})", event, at_ns));
  });
  return {};
}

int report(const Result<void>& done) {
  if (done) return kFine;
  fmt::print(stderr, "keelson-probe: {}\n", done.error().message());
  return done.error().reason == Reason::bad_usage || done.error().reason == Reason::bad_value
             ? kBadUsage
             : kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  Result<void> (*action)(const Options&) = nullptr;
  CLI::App app("Measures connections", "keelson-probe");
  app.require_subcommand(1);
  const auto command = [&](const char* name, const char* text, const char* address,
                           Result<void> (*body)(const Options&)) {
    CLI::App* sub = app.add_subcommand(name, text);
    sub->add_option(address, options.address, "ADDRESS:PORT")->required();
    sub->callback([&action, body] { action = body; });
    return sub;
  };
  command("connect", "connects and closes in turn; prints the cost of each", "--to", run_connect)
      ->add_option("--count", options.count, "connections")
      ->check(CLI::Range(size_t{1}, size_t{10'000'000}))
      ->capture_default_str();
  command("listen", "accepts and keeps connections until their other end is gone", "--at",
          run_listen);
  command("watch", "prints when new connections are refused and held ones are cut", "--to",
          run_watch)
      ->add_option("--held", options.held, "established connections to hold")
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kFine : kBadUsage;
  }
  return report(action(options));
}
