// PacketWatch: sees every frame of one interface in one namespace (AF_PACKET) and keeps the bytes,
// so that a test can say what was, and what was not, on the wire. One thread of its own.
#pragma once

#include <linux/types.h>

#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/fd.h"

namespace keelson::test {

class PacketWatch {
 public:
  PacketWatch(const std::string& netns_path, const std::string& interface);
  // Keeps no frame, only whether one held the marker: for long runs under load.
  PacketWatch(const std::string& netns_path, const std::string& interface, std::string marker);
  ~PacketWatch();
  PacketWatch(const PacketWatch&) = delete;
  PacketWatch& operator=(const PacketWatch&) = delete;

  // In a single frame; markers must fit one.
  bool has_seen(std::string_view marker) const;
  size_t frames() const;
  // Frames that came too fast to be looked at.
  size_t missed() const;
  // TCP segments with payload to or from this port, IPv4 or IPv6.
  size_t tcp_payload_bytes(__u16 port) const;
  // Segments between these ports with exactly these of SYN, ACK and RST set.
  enum Flags : unsigned { kSyn = 0x02, kRst = 0x04, kAck = 0x10 };
  size_t segments(__u16 source_port, __u16 destination_port, unsigned flags) const;

 private:
  void watch();
  Fd socket_, stop_;
  mutable std::mutex mutex_;
  const std::string marker_;  // empty: frames are kept
  std::vector<std::string> frames_;
  size_t count_ = 0;
  bool has_seen_marker_ = false;
  mutable size_t missed_ = 0;
  std::thread thread_;
};

}  // namespace keelson::test
