#include "options.h"

#include <CLI/CLI.hpp>
#include <ostream>
#include <utility>

namespace keelson::load {
namespace {

constexpr int kExitUsage = 2;
constexpr size_t kConnectionsMax = 100'000;
constexpr size_t kStreamsMax = 1'000;
constexpr double kRateMax = 10e6;
constexpr double kSecondsMax = 86'400;
constexpr double kSecondsBound = 60;  // where --requests or --idle-hold end the run

constexpr const char* kDescription =
    "keelson-load sends one request over and over and tells what it cost in time.\n"
    "\n"
    "Open loop (--rate): request k is due at start + k/rate. It goes out on the connection that "
    "is\n"
    "idle longest; while none is idle it waits, and its latency counts from when it was due. A\n"
    "server that stands still for a second therefore shows in every request of that second.\n"
    "Closed loop (--closed): each connection asks again when it has its answer, so a server that\n"
    "stands still stops the load too: use it for capacity and CPU, never for latency.";

constexpr const char* kFooter =
    "\n"
    "All connections are open before the clock starts, unless each request gets its own. Requests\n"
    "that were due (sent) in the window are waited for after its end, --patience long, then count\n"
    "as timeout, and their age counts in the histogram. A connection that breaks is opened again.\n"
    "SIGINT or SIGTERM ends the run early, with its report; a second one does not wait.\n"
    "\n"
    "The report is one JSON object: requests (answered, lost and timed out), ok (status\n"
    "below 400), status, errors (connect, reset, timeout, tls, protocol: once for each request\n"
    "lost, or once for a connection that ended while it carried none), first_errors (at most 8,\n"
    "with their time and what the system says), retried (sent again, once, on a new connection,\n"
    "because the server ended a kept one in order before a byte of the answer, as HTTP clients\n"
    "do), bytes_in and connections_opened (of the whole run), seconds (of the window), "
    "rate_offered, rate_done\n"
    "(answered in the window), latency_us, connect_us (TCP and TLS), histogram (list of\n"
    "[upper bound in ns, count], three digits).\n"
    "\n"
    "Exit status: 0 it ran (errors are in the report), 1 it could not run at all, 2 wrong usage.\n"
    "\n"
    "Examples:\n"
    "  keelson-load --url http://10.0.0.1:8080/1k --connections 32 --closed --seconds 5 --warmup "
    "1\n"
    "  keelson-load --url http://cart/ --connect 10.0.0.1:80 --connections 64 --rate 2000 "
    "--seconds 10\n"
    "  keelson-load --url https://cart:8443/ --http2 --streams 16 --connections 4 --closed\n"
    "      --seconds 5 --ca ca.pem --cert me.pem --key me.key --server-name cart\n"
    "  keelson-load --url http://10.0.0.1:8080/ --connections 1000 --closed --idle-hold 30";

// A range whose text stays out of the help; an error still names it.
template <class Number>
CLI::Validator within(Number least, Number most) {
  return CLI::Range(least, most).description("");
}

// What the words of the command line say, before it is judged as a whole.
struct Raw {
  std::string url;
  bool is_closed = false, is_http1 = false, is_http2 = false;
  std::optional<double> rate, seconds;
  std::optional<size_t> streams;
};

void add_what(CLI::App& cli, Raw& raw, Options& options) {
  const char* group = "What is sent";
  cli.add_option("--url", raw.url, "http[s]://HOST[:PORT][/PATH]")
      ->type_name("URL")
      ->required()
      ->group(group);
  cli.add_option("--connect", options.connect, "connect there instead of to the URL's host")
      ->type_name("ADDR:PORT")
      ->group(group);
  cli.add_option("--header", options.headers, "a further header; may be given often")
      ->type_name("'NAME: VALUE'")
      ->allow_extra_args(false)
      ->group(group);
  cli.add_option("--body", options.body_bytes, "POST with a body of so many bytes [GET, none]")
      ->type_name("BYTES")
      ->check(within(uint64_t{0}, uint64_t{1} << 30))
      ->group(group);
  auto* http1 = cli.add_flag("--http1", raw.is_http1, "HTTP/1.1 (the default)")->group(group);
  cli.add_flag("--http2", raw.is_http2, "HTTP/2; without TLS by prior knowledge")
      ->excludes(http1)
      ->group(group);
}

void add_how(CLI::App& cli, Raw& raw, Options& options) {
  const char* group = "How and how long";
  cli.add_option("--connections", options.connections, "connections")
      ->type_name("N")
      ->required()
      ->check(within(size_t{1}, kConnectionsMax))
      ->group(group);
  cli.add_option("--streams", raw.streams, "HTTP/2: requests at once on each connection [1]")
      ->type_name("N")
      ->check(within(size_t{1}, kStreamsMax))
      ->group(group);
  auto* closed = cli.add_flag("--closed", raw.is_closed, "closed loop")->group(group);
  cli.add_option("--rate", raw.rate, "open loop: requests a second, in total")
      ->type_name("R")
      ->check(within(0.001, kRateMax))
      ->excludes(closed)
      ->group(group);
  cli.add_option("--seconds", raw.seconds,
                 "the measured window [60 with --requests or --idle-hold, which end it]")
      ->type_name("S")
      ->check(within(0.001, kSecondsMax))
      ->group(group);
  cli.add_option("--warmup", options.warmup, "seconds before the window: sent, not counted [0]")
      ->type_name("S")
      ->check(within(0.0, kSecondsMax))
      ->group(group);
  cli.add_option("--requests", options.requests_max, "stop after so many counted requests")
      ->type_name("N")
      ->check(within(uint64_t{1}, uint64_t{1} << 40))
      ->group(group);
  cli.add_option("--patience", options.patience,
                 "seconds to wait for connections at the start and for answers at the end")
      ->type_name("S")
      ->check(within(0.0, kSecondsMax))
      ->capture_default_str()
      ->group(group);
  cli.add_flag("--new-connection-each", options.is_connection_each,
               "a connection for each request; latency includes connect; --connections at once")
      ->group(group);
  cli.add_option("--idle-hold", options.idle_hold,
                 "one request on each connection, then print \"holding\" on standard error and "
                 "hold them so many seconds")
      ->type_name("S")
      ->check(within(0.0, kSecondsMax))
      ->group(group);
  cli.add_option("--json", options.json, "file of the report, - for standard output")
      ->type_name("FILE")
      ->capture_default_str()
      ->group(group);
}

void add_tls(CLI::App& cli, Options& options) {
  const char* group = "TLS (https URLs)";
  cli.add_option("--ca", options.ca, "PEM file of trusted roots [the system's]")
      ->type_name("FILE")
      ->group(group);
  auto* certificate =
      cli.add_option("--cert", options.certificate, "PEM file: our certificate, then its chain")
          ->type_name("FILE")
          ->group(group);
  auto* key =
      cli.add_option("--key", options.key, "PEM file of our key")->type_name("FILE")->group(group);
  certificate->needs(key);
  key->needs(certificate);
  cli.add_option("--server-name", options.server_name,
                 "SNI, and the name the certificate must carry [the URL's host]")
      ->type_name("NAME")
      ->group(group);
}

bool is_header(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos || colon == 0) return false;
  if (text.find_first_of(" \t") < colon) return false;
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos;
}

Failure bad(std::string why) {
  return fail(Reason::bad_usage, ErrorSource::kConfig, std::move(why));
}

Result<void> settle_loop(const Raw& raw, Options& options) {
  if (!raw.is_closed && !raw.rate && !options.idle_hold)
    return bad("one of --closed and --rate is needed");
  options.loop = raw.rate ? Loop::kOpen : Loop::kClosed;
  options.rate = raw.rate.value_or(0);
  if (!raw.seconds && !options.requests_max && !options.idle_hold)
    return bad("one of --seconds, --requests and --idle-hold is needed");
  options.seconds = raw.seconds.value_or(kSecondsBound);
  if (!options.idle_hold) return {};
  if (options.is_connection_each)
    return bad("--idle-hold keeps connections, --new-connection-each does not");
  if (options.requests_max || options.warmup > 0)
    return bad("--idle-hold sends one request on each connection: no --requests, no --warmup");
  options.requests_max = options.connections;
  return {};
}

Result<void> settle(const Raw& raw, Options& options) {
  KS_ASSIGN(options.url, Url::parse(raw.url));
  if (!options.connect.empty()) {
    KS_TRY(HostPort::parse(options.connect));
  }
  for (const std::string& header : options.headers)
    if (!is_header(header)) return bad("--header \"" + header + "\" is not 'NAME: VALUE'");
  options.protocol = raw.is_http2 ? Protocol::kHttp2 : Protocol::kHttp1;
  if (raw.streams && !raw.is_http2) return bad("--streams is of HTTP/2: add --http2");
  options.streams = options.is_connection_each ? 1 : raw.streams.value_or(1);
  const bool has_tls_option =
      !options.ca.empty() || !options.certificate.empty() || !options.server_name.empty();
  if (has_tls_option && !options.url.is_tls)
    return bad("--ca, --cert, --key and --server-name are of https URLs");
  if (options.server_name.empty()) options.server_name = options.url.host;
  return settle_loop(raw, options);
}

}  // namespace

ParsedOptions parse_options(const std::vector<std::string>& arguments, std::ostream& out,
                            std::ostream& err) {
  Options options;
  Raw raw;
  CLI::App cli(kDescription, "keelson-load");
  cli.footer(kFooter);
  add_what(cli, raw, options);
  add_how(cli, raw, options);
  add_tls(cli, options);
  try {
    cli.parse(std::vector<std::string>(arguments.rbegin(),
                                       arguments.rend()));  // CLI11 wants them backwards
  } catch (const CLI::ParseError& error) {
    const int code = cli.exit(error, out, err);
    return {std::nullopt, code == 0 ? 0 : kExitUsage};
  }
  if (const auto settled = settle(raw, options); !settled) {
    err << settled.error().context << "\nRun with --help for more information.\n";
    return {std::nullopt, kExitUsage};
  }
  return {options, 0};
}

}  // namespace keelson::load
