#include "support/netns_thread.h"

#include <fcntl.h>
#include <sched.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "base/fd.h"

namespace keelson::test {

void enter_namespace(const std::string& netns_path) {
  Fd netns(::open(netns_path.c_str(), O_RDONLY | O_CLOEXEC));
  if (netns && ::setns(netns.get(), CLONE_NEWNET) == 0) return;
  std::perror(netns_path.c_str());
  std::abort();
}

void in_namespace(const std::string& netns_path, const std::function<void()>& body) {
  std::thread worker([&] {
    enter_namespace(netns_path);
    body();
  });
  worker.join();
}

}  // namespace keelson::test
