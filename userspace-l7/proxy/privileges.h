// privileges: what the process gives up before it touches a tenant's byte: root, capabilities, the
// right to gain any, and the system calls it does not need. Main thread, at start; the filter holds
// for every thread. Does not open anything: what needs files comes before lock_system_calls().
#pragma once

#include <cstdint>

#include "base/result.h"
#include "proxy/options.h"

namespace keelson::proxy {

// Soft limit of descriptors up to the hard one; returns it.
Result<uint64_t> raise_fd_limit();
// From root to `user`, with all capabilities and supplementary groups gone. Not root: error
// bad_usage unless it is that user already.
Result<void> become(const User& user);
// Also sets no_new_privs. Error: capabilities_held, unless `allow`.
Result<void> refuse_capabilities(bool allow);
// An allow-list; anything else fails with EPERM and, where the kernel is told to
// (kernel.seccomp.actions_logged), is logged. Of bpf(2) only map look-up and update stay.
// Error: seccomp_failed.
Result<void> lock_system_calls();

}  // namespace keelson::proxy
