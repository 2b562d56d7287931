// PodNamespace: one pod's network namespace, checked when opened. Makes sockets inside it and reads
// its facts. Enters the namespace only for the moment a socket or sysctl file is opened and always
// returns: a process that cannot get home aborts. Owner: the hold server's only thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "link/hold_messages.h"

namespace keelson::hold {

class PodNamespace {
 public:
  // Error: netns_invalid when `path` is no network namespace, or our own.
  static Result<PodNamespace> open(const std::string& path);

  uint64_t cookie() const noexcept { return cookie_; }
  // Addresses, interface and port range, as they are now.
  Result<link::HoldPod> inspect() const;
  Result<Fd> make_diag_socket() const;
  // On 127.0.0.1 or ::1, a port of the kernel's choice; `tag_map` gets {cookie, role} before
  // listen(). os_errno EAFNOSUPPORT or EADDRNOTAVAIL: the pod has no such family.
  Result<Fd> make_listener(ks_family family, ks_role role, const Fd& tag_map) const;
  // Unconnected, tagged, non-blocking, SO_LINGER{1,0}.
  Result<Fd> make_dial_socket(ks_family family, ks_role role, const Fd& tag_map) const;
  // Whether `listener` listens on TCP loopback in this namespace.
  bool owns_listener(const Fd& listener) const;

 private:
  PodNamespace(Fd pod, Fd home) : pod_(std::move(pod)), home_(std::move(home)) {}
  Result<Fd> socket_inside(int domain, int type, int protocol) const;
  Result<Fd> open_inside(const char* path) const;
  Result<void> tag(const Fd& socket, ks_role role, const Fd& tag_map) const;

  Fd pod_;
  Fd home_;
  uint64_t cookie_ = 0;
};

}  // namespace keelson::hold
