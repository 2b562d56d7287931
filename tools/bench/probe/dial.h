// Dial: a blocking TCP connection that says how its connect() went, and is closed with a reset so
// that a loop of them leaves no TIME_WAIT behind. Any thread. Does not send or receive.
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <ctime>

#include "base/fd.h"
#include "base/ip_address.h"

namespace keelson::probe {

inline int64_t clock_ns(clockid_t clock) noexcept {
  timespec now{};
  ::clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

struct Dialled {
  Fd socket;
  int error = 0;                       // errno of socket() or connect(); 0: connected
  int64_t began_ns = 0, ended_ns = 0;  // CLOCK_MONOTONIC, around connect()
};

inline Dialled dial(const Endpoint& to) noexcept {
  Dialled dialled;
  sockaddr_storage address{};
  const socklen_t length = to.to_sockaddr(address);
  dialled.socket = Fd(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const linger reset{1, 0};
  if (!dialled.socket ||
      ::setsockopt(dialled.socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0) {
    dialled.error = errno;
    return dialled;
  }
  dialled.began_ns = clock_ns(CLOCK_MONOTONIC);
  if (::connect(dialled.socket.get(), reinterpret_cast<sockaddr*>(&address), length) != 0)
    dialled.error = errno;
  dialled.ended_ns = clock_ns(CLOCK_MONOTONIC);
  return dialled;
}

}  // namespace keelson::probe
