// Each case in a forked child, which may ruin itself.
#include "proxy/privileges.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <thread>

#include "base/fd.h"

namespace keelson::proxy {
namespace {

constexpr int kFine = 0;

// Exit status of `body`; -1 when it did not exit by itself.
int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

long map_call(int command) {
  bpf_attr attr{};
  attr.map_fd = static_cast<uint32_t>(-1);
  return ::syscall(SYS_bpf, command, &attr, sizeof attr);
}

TEST(Privileges, RefusesToServeWithCapabilitiesUnlessTold) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to have capabilities";
  EXPECT_EQ(in_child([] {
              const auto refused = refuse_capabilities(false);
              if (refused || refused.error().reason != Reason::capabilities_held) return 1;
              return refuse_capabilities(true) ? kFine : 2;
            }),
            kFine);
}

TEST(Privileges, LeavingRootLeavesNoCapability) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to leave it";
  EXPECT_EQ(in_child([] {
              if (!become({65532, 65531})) return 1;
              if (::getuid() != 65532 || ::getegid() != 65531 || ::getgroups(0, nullptr) != 0)
                return 2;
              if (!refuse_capabilities(false)) return 3;
              if (::prctl(PR_CAPBSET_READ, 21 /* CAP_SYS_ADMIN */, 0, 0, 0) != 0) return 4;
              if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return 5;
              return ::setuid(0) == -1 ? kFine : 6;
            }),
            kFine);
}

TEST(Privileges, AnotherUserThanTheOneAskedForIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody";
  EXPECT_EQ(in_child([] {
              if (!become({65532, 65532})) return 1;
              if (!become({65532, 65532})) return 2;  // is that user already
              return become({65533, 65533}) ? 3 : kFine;
            }),
            kFine);
}

TEST(Privileges, TheDescriptorLimitIsTheHardOne) {
  EXPECT_EQ(in_child([] {
              rlimit limit{64, 512};
              if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
              const auto raised = raise_fd_limit();
              if (!raised || *raised != 512) return 2;
              ::getrlimit(RLIMIT_NOFILE, &limit);
              return limit.rlim_cur == 512 ? kFine : 3;
            }),
            kFine);
}

// What must fail with EPERM once the filter is there; 0 when it does.
struct Forbidden {
  const char* name;
  std::function<long()> call;
};

TEST(Privileges, TheFilterForbidsWhatTheProxyDoesNotNeed) {
  const Forbidden kForbidden[] = {
      {"open", [] { return ::open("/etc/hostname", O_RDONLY); }},
      {"create", [] { return ::open("/tmp/keelson-proxy-test", O_CREAT | O_WRONLY, 0600); }},
      {"exec", [] { return ::execl("/bin/true", "true", nullptr); }},
      {"fork", [] { return ::syscall(SYS_fork); }},
      {"inet socket", [] { return ::socket(AF_INET, SOCK_STREAM, 0); }},
      {"netlink socket", [] { return ::socket(AF_NETLINK, SOCK_RAW, 0); }},
      {"unlink", [] { return ::unlink("/tmp/keelson-proxy-test"); }},
      {"ptrace", [] { return ::syscall(SYS_ptrace, 0, 0, 0, 0); }},
      {"setns", [] { return ::syscall(SYS_setns, 0, 0); }},
      {"bind", [] { return ::syscall(SYS_bind, 0, nullptr, 0); }},
      {"bpf(MAP_CREATE)", [] { return map_call(BPF_MAP_CREATE); }},
      {"bpf(PROG_LOAD)", [] { return map_call(BPF_PROG_LOAD); }},
      {"bpf(MAP_DELETE_ELEM)", [] { return map_call(BPF_MAP_DELETE_ELEM); }},
      {"bpf(OBJ_GET)", [] { return map_call(BPF_OBJ_GET); }},
  };
  for (const Forbidden& each : kForbidden)
    EXPECT_EQ(in_child([&] {
                if (!refuse_capabilities(true) || !lock_system_calls()) return 1;
                const long result = each.call();
                return result == -1 && errno == EPERM ? kFine : 2;
              }),
              kFine)
        << each.name;
}

TEST(Privileges, TheFilterLetsTheProxyWork) {
  EXPECT_EQ(in_child([] {
              int pair[2];
              if (::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return 1;
              if (!refuse_capabilities(true) || !lock_system_calls()) return 2;
              // EBADF: the call reached the kernel's bpf(2), and there is no such map.
              for (const int command : {BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM})
                if (map_call(command) != -1 || errno != EBADF) return 3;
              const Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
              const Fd loop(::epoll_create1(EPOLL_CLOEXEC));
              if (!socket || !loop) return 4;
              if (::send(pair[0], "x", 1, 0) != 1) return 5;
              char byte = 0;
              return ::recv(pair[1], &byte, 1, 0) == 1 ? kFine : 6;
            }),
            kFine);
}

TEST(Privileges, TheFilterHoldsForThreadsThatRunAlready) {
  EXPECT_EQ(in_child([] {
              int go[2];
              if (::pipe(go) != 0) return 1;
              int result = 0;
              std::thread other([&] {
                char byte = 0;
                if (::read(go[0], &byte, 1) != 1) return;
                result = ::open("/etc/hostname", O_RDONLY) == -1 && errno == EPERM ? 1 : 2;
              });
              const bool is_locked = refuse_capabilities(true) && lock_system_calls();
              if (::write(go[1], "x", 1) != 1) return 2;
              other.join();
              if (!is_locked) return 3;
              return result == 1 ? kFine : 4;
            }),
            kFine);
}

}  // namespace
}  // namespace keelson::proxy
