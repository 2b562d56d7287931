#include "hold/privileges.h"

#include <cap-ng.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

namespace keelson::hold {
namespace {
// Six listeners and a namespace with its way home per pod, the store, clients; doubled.
constexpr rlim_t kFdsWanted = 32768;
}  // namespace

Result<void> raise_fd_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return fail_errno(Reason::io_error, errno, "getrlimit");
  if (limit.rlim_cur >= kFdsWanted) return {};
  const rlimit raised{kFdsWanted, std::max(limit.rlim_max, kFdsWanted)};
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) return {};
  limit.rlim_cur = limit.rlim_max;  // may not raise the hard limit: take all there is
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0)
    return fail_errno(Reason::io_error, errno, "setrlimit");
  return {};
}

Result<void> drop_privileges() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return fail_errno(Reason::io_error, errno, "PR_SET_NO_NEW_PRIVS");
  capng_clear(CAPNG_SELECT_BOTH);
  capng_updatev(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
                CAP_SYS_ADMIN, CAP_NET_ADMIN, -1);
  if (capng_apply(CAPNG_SELECT_CAPS) != 0)
    return fail_errno(Reason::io_error, errno,
                      "keep CAP_SYS_ADMIN and CAP_NET_ADMIN: is the container given both?");
  return {};
}

}  // namespace keelson::hold
