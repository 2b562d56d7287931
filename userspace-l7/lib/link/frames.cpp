#include "link/frames.h"

#include <cstring>

#include "base/assert.h"
#include "link/memfd.h"

namespace keelson::link {
namespace {

constexpr uint32_t kFrameMagic = 0x4b53'4c31;  // "KSL1"

struct FrameHeader {
  uint32_t magic;
  uint32_t payload_bytes;
  uint32_t detached;  // 1: the payload is in the first descriptor
  uint32_t pad;
};

Failure malformed(const char* what) {
  return fail(Reason::message_malformed, ErrorSource::kInternal, what);
}

}  // namespace

Result<void> send_frame(const Fd& socket, std::string_view payload, std::span<const int> fds) {
  KS_ASSERT(fds.size() <= kFrameFdsMax && payload.size() <= kFramePayloadBytesMax);
  const bool detached = payload.size() > kFrameInlineBytesMax;
  const FrameHeader header{kFrameMagic, static_cast<uint32_t>(payload.size()), detached ? 1u : 0u,
                           0};
  std::string message(reinterpret_cast<const char*>(&header), sizeof header);
  std::vector<int> all;
  Fd memfd;
  if (detached) {
    KS_ASSIGN(memfd, make_sealed_memfd("keelson-frame", payload));
    all.push_back(memfd.get());
  } else {
    message += payload;
  }
  all.insert(all.end(), fds.begin(), fds.end());
  return send_message(socket, std::as_bytes(std::span(message)), all);
}

Result<Frame> receive_frame(const Fd& socket) {
  std::string buffer(sizeof(FrameHeader) + kFrameInlineBytesMax, '\0');
  KS_ASSIGN(Received received, receive_message(socket, std::as_writable_bytes(std::span(buffer))));
  if (received.bytes == 0) return Frame{true, {}, {}};
  FrameHeader header;
  if (received.bytes < sizeof header) return malformed("frame shorter than its header");
  std::memcpy(&header, buffer.data(), sizeof header);
  if (header.magic != kFrameMagic || header.detached > 1)
    return malformed("not a frame of this protocol");

  Frame frame{false, {}, std::move(received.fds)};
  if (header.detached == 0) {
    if (received.bytes != sizeof header + header.payload_bytes)
      return malformed("frame of the wrong length");
    frame.payload = buffer.substr(sizeof header, header.payload_bytes);
    return frame;
  }
  if (frame.fds.empty()) return malformed("detached frame without its memfd");
  KS_ASSIGN(frame.payload, read_sealed_memfd(frame.fds.front(), kFramePayloadBytesMax));
  frame.fds.erase(frame.fds.begin());
  if (frame.payload.size() != header.payload_bytes)
    return malformed("detached payload of the wrong length");
  return frame;
}

}  // namespace keelson::link
