// keelson-cni: the CNI plugin. Run by the container runtime with CNI_COMMAND and a network
// configuration on standard input; by people as `keelson-cni --version`. Static: it runs on the
// node's own system, whatever that is. Exit status 0, or 1 with a CNI error on standard output.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "cni/agent_line.h"
#include "keelson_version.h"

namespace {

using namespace keelson::cni;

constexpr size_t kNetconfBytesMax = 4u << 20;

Expected<std::string> read_stdin() {
  std::string text;
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 || text.size() > kNetconfBytesMax)
      return tl::unexpected(CniError{kIoFailure, "cannot read the network configuration",
                                     got < 0 ? std::strerror(errno) : "it is longer than 4 MiB"});
    text.append(buffer, static_cast<size_t>(got));
  }
}

Environment read_environment() {
  Environment environment;
  for (const char* name : {"CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS"})
    if (const char* value = std::getenv(name)) environment[name] = value;
  return environment;
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

int about(std::string_view argument) {
  if (argument == "--version") {
    write_all(STDOUT_FILENO, "keelson-cni " KEELSON_VERSION ", CNI 0.3.0 to 1.1.0\n");
    return 0;
  }
  write_all(STDERR_FILENO, "keelson-cni " KEELSON_VERSION
                           " is a CNI plugin: a container runtime runs it with CNI_COMMAND set.\n"
                           "usage: keelson-cni --version\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 || std::getenv("CNI_COMMAND") == nullptr) return about(argc > 1 ? argv[1] : "");
  SocketAgentLine agent;
  const auto netconf = read_stdin();
  const Output output = netconf ? run_plugin(read_environment(), *netconf, agent)
                                : refusal_output(kCurrentVersion, netconf.error());
  if (!output.warning.empty()) write_all(STDERR_FILENO, "keelson-cni: " + output.warning + "\n");
  write_all(STDOUT_FILENO, output.text);
  return output.exit_status;
}
