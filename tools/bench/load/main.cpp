#include <sys/signalfd.h>

#include <csignal>
#include <iostream>

#include "base/fd.h"
#include "command.h"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGINT);
  sigaddset(&ending, SIGTERM);
  sigprocmask(SIG_BLOCK, &ending, nullptr);
  const keelson::Fd stop(signalfd(-1, &ending, SFD_NONBLOCK | SFD_CLOEXEC));
  return keelson::load::run({argv + 1, argv + argc}, stop.get(), std::cout, std::cerr);
}
