#include "proxy/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <string_view>
#include <thread>

#include "keelson_version.h"

namespace keelson::proxy {
namespace {

constexpr int kExitUsage = 2;
constexpr unsigned kWorkersDefault = 2;
constexpr unsigned kWorkersMax = 64;

bool parse_id(std::string_view text, uint32_t& id) {
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, id);
  // 4294967295 means "unchanged" to setresuid().
  return error == std::errc() && at == end && id != UINT32_MAX;
}

}  // namespace

Result<User> parse_user(const std::string& text) {
  const size_t colon = text.find(':');
  User user;
  bool is_fine = parse_id(std::string_view(text).substr(0, colon), user.uid);
  user.gid = user.uid;
  if (colon != std::string::npos)
    is_fine = is_fine && parse_id(std::string_view(text).substr(colon + 1), user.gid);
  if (!is_fine || user.uid == 0)
    return fail(Reason::bad_usage, ErrorSource::kConfig, "--user: not UID or UID:GID, or root");
  return user;
}

ParsedOptions parse_options(int argc, char** argv) {
  Options options;
  std::string user, ready;
  unsigned drain_seconds = static_cast<unsigned>(options.drain.count());
  options.workers = std::clamp(std::thread::hardware_concurrency(), 1u, kWorkersDefault);
  CLI::App cli("keelson-l7: the proxy of this node's meshed pods", "keelson-l7");
  cli.set_version_flag("--version", "keelson-l7 " KEELSON_VERSION);
  cli.add_option("--run-dir", options.run_dir, "folder of the sockets")->capture_default_str();
  cli.add_option("--hold-socket", options.hold_socket, "keelson-hold's socket [RUN_DIR/hold.sock]");
  cli.add_option("--agent-socket", options.agent_socket, "the agent's socket [RUN_DIR/proxy.sock]");
  cli.add_option("--workers", options.workers, "threads that serve connections")
      ->check(CLI::Range(1u, kWorkersMax))
      ->capture_default_str();
  cli.add_option("--user", user, "UID[:GID] to become when started as root");
  cli.add_flag("--allow-capabilities", options.allow_capabilities,
               "serve although the process holds capabilities (not in production)");
  cli.add_option("--drain-seconds", drain_seconds, "time for connections to end after SIGTERM")
      ->capture_default_str();
  cli.add_option("--ready-address", ready,
                 "ADDRESS:PORT that answers HTTP with 200 once there is a configuration [none]");
  cli.add_option("--access-log", options.access_log, "file of the access log [standard error]");
  cli.add_option("--log-level", options.log_level)
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = cli.exit(error);
    return {std::nullopt, code == 0 ? 0 : kExitUsage};
  }
  if (!user.empty()) {
    const auto parsed = parse_user(user);
    if (!parsed) {
      std::fprintf(stderr, "%s\n", parsed.error().message().c_str());
      return {std::nullopt, kExitUsage};
    }
    options.user = *parsed;
  }
  if (!ready.empty()) {
    const auto at = Endpoint::parse(ready);
    if (!at) {
      std::fprintf(stderr, "--ready-address: %s\n", at.error().message().c_str());
      return {std::nullopt, kExitUsage};
    }
    options.ready = *at;
  }
  options.drain = std::chrono::seconds(drain_seconds);
  if (options.hold_socket.empty()) options.hold_socket = options.run_dir + "/hold.sock";
  if (options.agent_socket.empty()) options.agent_socket = options.run_dir + "/proxy.sock";
  return {options, 0};
}

}  // namespace keelson::proxy
