// GaugeProcess: a process of its own that owns a live gauge, as a proxy does, and can be killed.
// One thread; forks, so it comes before the test starts threads.
#pragma once

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "link/live_gauge.h"
#include "link/seqpacket.h"

namespace keelson::test {

class GaugeProcess {
 public:
  explicit GaugeProcess(const std::vector<uint64_t>& streams) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) ::abort();
    const Fd ours(ends[0]), theirs(ends[1]);
    pid_ = ::fork();
    if (pid_ == 0) serve(theirs, streams);
    std::byte byte;
    auto received = link::receive_message(ours, {&byte, 1});
    if (received && received->fds.size() == 1) memfd = std::move(received->fds[0]);
  }
  ~GaugeProcess() { kill(); }
  GaugeProcess(const GaugeProcess&) = delete;
  GaugeProcess& operator=(const GaugeProcess&) = delete;

  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  Fd memfd;

 private:
  [[noreturn]] static void serve(const Fd& to, const std::vector<uint64_t>& streams) {
    const auto gauge = link::LiveGauge::make(streams.size());
    if (!gauge) ::_exit(1);
    for (size_t i = 0; i < streams.size(); i++) gauge->cell(i) = streams[i];
    const std::byte byte{1};
    const int fd = gauge->fd();
    if (!link::send_message(to, {&byte, 1}, {&fd, 1})) ::_exit(1);
    while (true) ::pause();
  }

  pid_t pid_ = 0;
};

}  // namespace keelson::test
