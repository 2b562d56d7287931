#include "envoy_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <glob.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/fd.h"
#include "wait_until.h"

namespace keelson::test {
namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

std::string envoy_binary() {
  if (const char* named = std::getenv("KEELSON_ENVOY")) return named;
  glob_t found{};
  std::string path;
  if (glob("build/venv/lib/python3*/site-packages/envoy/_bin/envoy", 0, nullptr, &found) == 0)
    path = found.gl_pathv[0];
  globfree(&found);
  return path;
}

uint16_t unused_port() {
  const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof(address);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
    std::abort();
  return ntohs(address.sin_port);
}

ScratchFolder::ScratchFolder() {
  std::string name = std::filesystem::temp_directory_path() / "keelson-envoy-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) std::abort();
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ScratchFolder::write(const std::string& name, const std::string& text) const {
  const std::string path = path_ + "/" + name;
  std::ofstream(path) << text;
  return path;
}

std::string ScratchFolder::read(const std::string& name) const {
  std::ostringstream text;
  text << std::ifstream(path_ + "/" + name).rdbuf();
  return text.str();
}

EnvoyProcess::EnvoyProcess(const ScratchFolder& folder, const std::string& config_yaml) {
  const std::string binary = envoy_binary();
  const std::string config = folder.write("envoy.yaml", config_yaml);
  const std::string log = folder.path() + "/envoy.log";
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  execl(binary.c_str(), "envoy", "-c", config.c_str(), "--concurrency", "1",
        "--disable-hot-restart", "-l", "warn", nullptr);
  _exit(127);
}

EnvoyProcess::~EnvoyProcess() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

// By the kernel's table, not by connecting: Envoy would open a tunnel for a mere probe.
bool EnvoyProcess::wait_listening(uint16_t port) const {
  std::array<char, 48> row;
  std::snprintf(row.data(), row.size(), "0100007F:%04X 00000000:0000 0A", port);
  return wait_until([&] {
    std::ostringstream table;
    table << std::ifstream("/proc/net/tcp").rdbuf();
    return table.str().find(row.data()) != std::string::npos;
  });
}

}  // namespace keelson::test
