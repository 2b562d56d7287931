// seqpacket: SOCK_SEQPACKET Unix sockets that carry whole messages with their fds (SCM_RIGHTS) and
// tell who the peer is (SO_PEERCRED). Free functions over Fd; any thread, one thread per socket.
// A message or fd list that does not fit is refused, never cut. No framing, no retries, no loop.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace keelson::link {

inline constexpr size_t kFdsPerMessageMax = 64;  // the kernel's own limit is 253 (SCM_MAX_FD)

struct PeerCredentials {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
};

struct Received {
  size_t bytes = 0;  // 0: the peer closed
  std::vector<Fd> fds;
};

// Binds beside `path` and renames over it, so that a stale socket file never blocks a restart and a
// successor takes over without a gap. Non-blocking.
Result<Fd> listen_seqpacket(const std::string& path, mode_t mode);
Result<Fd> connect_seqpacket(const std::string& path);  // blocking socket; cannot_reach
// The error of an empty backlog has os_errno EAGAIN. The accepted socket is non-blocking.
Result<Fd> accept_seqpacket(const Fd& listener);
Result<PeerCredentials> peer_credentials(const Fd& socket);

// Precondition: bytes is not empty (an empty message reads as the peer's close).
// A full socket buffer of a non-blocking socket: os_errno EAGAIN.
Result<void> send_message(const Fd& socket, std::span<const std::byte> bytes,
                          std::span<const int> fds = {});
// Reads one message. Longer than `into` or with more than kFdsPerMessageMax fds:
// message_malformed. Nothing there on a non-blocking socket: os_errno EAGAIN.
Result<Received> receive_message(const Fd& socket, std::span<std::byte> into);

}  // namespace keelson::link
