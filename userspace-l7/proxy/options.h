// Options: keelson-l7's command line. Pure but for --help and errors, which print.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

#include "base/ip_address.h"
#include "base/result.h"

namespace keelson::proxy {

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
};

struct Options {
  std::string run_dir = "/run/keelson";
  std::string hold_socket;   // [RUN_DIR/hold.sock]
  std::string agent_socket;  // [RUN_DIR/proxy.sock]
  std::string access_log;    // empty: standard error
  unsigned workers = 0;      // 0: two, or one on a machine with one core
  std::optional<User> user;
  bool allow_capabilities = false;
  std::chrono::seconds drain{25};
  std::optional<Endpoint> ready;  // where ReadyPort answers
  std::string log_level = "info";
};

struct ParsedOptions {
  std::optional<Options> options;
  int exit_code = 0;  // without options
};

ParsedOptions parse_options(int argc, char** argv);
// "65532" or "65532:65532"; the group is the user's number when it is not given. Error: bad_usage.
Result<User> parse_user(const std::string& text);

}  // namespace keelson::proxy
