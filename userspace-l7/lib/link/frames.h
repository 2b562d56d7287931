// Frames: what agent and proxy say to each other: a payload and the descriptors that belong to it,
// in one SOCK_SEQPACKET message. A payload over kFrameInlineBytesMax travels in a sealed memfd, the
// message's first descriptor. Free functions over Fd; one thread per socket.
// Does not know what a payload means (lib/config does).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "link/seqpacket.h"

namespace keelson::link {

inline constexpr size_t kFrameInlineBytesMax = 60 * 1024;
inline constexpr size_t kFramePayloadBytesMax = 64u << 20;
inline constexpr size_t kFrameFdsMax = kFdsPerMessageMax - 1;  // one may be the payload's memfd

struct Frame {
  bool closed = false;  // the peer closed; the rest is empty
  std::string payload;
  std::vector<Fd> fds;
};

// Precondition: at most kFrameFdsMax descriptors. Full socket buffer: os_errno EAGAIN.
Result<void> send_frame(const Fd& socket, std::string_view payload, std::span<const int> fds = {});
// Nothing there on a non-blocking socket: os_errno EAGAIN. Error: message_malformed.
Result<Frame> receive_frame(const Fd& socket);

}  // namespace keelson::link
