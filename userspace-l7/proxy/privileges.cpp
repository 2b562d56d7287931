#include "proxy/privileges.h"

#include <cap-ng.h>
#include <grp.h>
#include <linux/bpf.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>

namespace keelson::proxy {
namespace {

// What a proxy that has started needs. No open, no exec, no new process or thread, no ptrace, no
// mount, no setns.
constexpr int kAllowed[] = {
    // memory and threads of the C library
    SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect),
    SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
    SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(gettid), SCMP_SYS(getpid),
    SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(getrandom),
    // signals: abort(), SIGTERM through libuv
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(tgkill),
    // time
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday),
    // the loop
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(eventfd2), SCMP_SYS(pipe2),
    // descriptors that are open, and memfds
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64),
    SCMP_SYS(close), SCMP_SYS(fcntl), SCMP_SYS(fstat), SCMP_SYS(lseek), SCMP_SYS(dup),
    SCMP_SYS(dup3), SCMP_SYS(memfd_create), SCMP_SYS(ftruncate),
    // sockets: the agent, hold, and what hold hands over
    SCMP_SYS(connect), SCMP_SYS(accept4), SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(sendto),
    SCMP_SYS(recvfrom), SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
    SCMP_SYS(getsockname), SCMP_SYS(getpeername)};

constexpr bpf_cmd kAllowedBpf[] = {BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM};

struct FilterRelease {
  void operator()(void* filter) const noexcept { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, FilterRelease>;

Failure seccomp_error(int status, const char* doing) {
  return fail_errno(Reason::seccomp_failed, -status, doing);
}

// newfstatat(fd, "", …, AT_EMPTY_PATH) is how the C library spells fstat(); a path cannot be told
// from an empty one here, but it only reads names' properties.
Result<void> fill(const Filter& filter) {
  for (const int call : kAllowed)
    if (const int status = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0); status != 0)
      return seccomp_error(status, "allowing a system call");
  if (const int status = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 0);
      status != 0)
    return seccomp_error(status, "allowing newfstatat");
  // Sockets of its own only to the node's Unix sockets: everything else comes from hold.
  if (const int status = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                                          SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
      status != 0)
    return seccomp_error(status, "allowing Unix sockets");
  // uv_poll_init() makes descriptors non-blocking this way.
  if (const int status = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                          SCMP_A1(SCMP_CMP_EQ, FIONBIO));
      status != 0)
    return seccomp_error(status, "allowing FIONBIO");
  for (const bpf_cmd command : kAllowedBpf)
    if (const int status =
            seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(bpf), 1,
                             SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(command)));
        status != 0)
      return seccomp_error(status, "allowing map access");
  return {};
}

}  // namespace

Result<uint64_t> raise_fd_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return fail_errno(Reason::io_error, errno, "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0)
    return fail_errno(Reason::io_error, errno, "setrlimit");
  return limit.rlim_cur;
}

Result<void> become(const User& user) {
  if (::geteuid() == user.uid && ::getegid() == user.gid) return {};
  if (::geteuid() != 0)
    return fail(Reason::bad_usage, ErrorSource::kConfig, "--user needs a start as root");
  // The bounding set goes while CAP_SETPCAP is still there.
  capng_clear(CAPNG_SELECT_BOUNDS);
  if (capng_apply(CAPNG_SELECT_BOUNDS) != 0)
    return fail_errno(Reason::io_error, errno, "emptying the bounding set");
  if (::setgroups(0, nullptr) != 0) return fail_errno(Reason::io_error, errno, "setgroups");
  if (::setresgid(user.gid, user.gid, user.gid) != 0)
    return fail_errno(Reason::io_error, errno, "setresgid");
  // Leaving user 0 empties the permitted and effective sets (capabilities(7)).
  if (::setresuid(user.uid, user.uid, user.uid) != 0)
    return fail_errno(Reason::io_error, errno, "setresuid");
  return {};
}

Result<void> refuse_capabilities(bool allow) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return fail_errno(Reason::io_error, errno, "PR_SET_NO_NEW_PRIVS");
  if (capng_get_caps_process() != 0)
    return fail_errno(Reason::io_error, errno, "reading the capabilities");
  for (int capability = 0; capability <= CAP_LAST_CAP; capability++) {
    const auto number = static_cast<unsigned>(capability);
    if (!capng_have_capability(CAPNG_EFFECTIVE, number) &&
        !capng_have_capability(CAPNG_PERMITTED, number))
      continue;
    if (allow) return {};
    return fail(Reason::capabilities_held, ErrorSource::kConfig,
                std::string("CAP_") + capng_capability_to_name(number) +
                    " and perhaps more; start it as another user, with --user 65532, or with "
                    "--allow-capabilities");
  }
  return {};
}

Result<void> lock_system_calls() {
  const Filter filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (!filter) return seccomp_error(-ENOMEM, "making the filter");
  KS_TRY(fill(filter));
  // Threads that run already are held to it too; refusals are offered to the kernel's log.
  if (const int status = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1); status != 0)
    return seccomp_error(status, "SCMP_FLTATR_CTL_TSYNC");
  if (const int status = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_LOG, 1); status != 0)
    return seccomp_error(status, "SCMP_FLTATR_CTL_LOG");
  if (const int status = seccomp_load(filter.get()); status != 0)
    return seccomp_error(status, "loading the filter");
  return {};
}

}  // namespace keelson::proxy
