#include <curl/curl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string_view>

#include "keelsonctl/cli.h"

namespace {

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && value[0] != '\0';
}

// kubectl runs `kubectl keelson` as the program kubectl-keelson.
bool is_plugin(std::string_view program) {
  return program.substr(program.rfind('/') + 1).starts_with("kubectl-keelson");
}

}  // namespace

int main(int argc, char** argv) {
  // `keelsonctl observe | head` ends by a failed write, not by a signal that looks like a crash.
  std::signal(SIGPIPE, SIG_IGN);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const char* term = std::getenv("TERM");
  const bool dumb = term != nullptr && std::string_view(term) == "dumb";
  const int code =
      keelson::ctl::run({argv + 1, argv + argc}, {.out = std::cout,
                                                  .err = std::cerr,
                                                  .is_tty = isatty(STDOUT_FILENO) == 1,
                                                  .no_color = is_set("NO_COLOR") || dumb,
                                                  .checks_root = {},
                                                  .is_plugin = argc > 0 && is_plugin(argv[0])});
  curl_global_cleanup();
  return code;
}
