#include "support/packet_watch.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "support/netns_thread.h"

namespace keelson::test {
namespace {

constexpr size_t kEthernetBytes = 14;
constexpr int kQueueBytes = 32 << 20;
constexpr size_t kFrameBytesMax = 65600;  // veth hands over GSO frames whole

struct Segment {
  uint16_t source = 0, destination = 0;
  size_t payload_bytes = 0;
  unsigned flags = 0;
};

// Zeroes when the frame is not TCP.
Segment segment_of(const std::string& frame) {
  if (frame.size() < kEthernetBytes + sizeof(ip6_hdr)) return {};  // IPv4 with TCP is as long
  const char* packet = frame.data() + kEthernetBytes;
  size_t header = 0, total = 0;
  if ((packet[0] & 0xf0) == 0x40) {
    iphdr ip;
    std::memcpy(&ip, packet, sizeof ip);
    if (ip.protocol != IPPROTO_TCP) return {};
    header = ip.ihl * 4u;
    total = ntohs(ip.tot_len);
  } else {
    ip6_hdr ip;
    std::memcpy(&ip, packet, sizeof ip);
    if (ip.ip6_nxt != IPPROTO_TCP) return {};
    header = sizeof ip;
    total = sizeof ip + ntohs(ip.ip6_plen);
  }
  if (frame.size() < kEthernetBytes + header + sizeof(tcphdr)) return {};
  tcphdr tcp;
  std::memcpy(&tcp, packet + header, sizeof tcp);
  size_t before = header + tcp.doff * 4u;
  const unsigned flags = (tcp.syn ? PacketWatch::kSyn : 0u) | (tcp.rst ? PacketWatch::kRst : 0u) |
                         (tcp.ack ? PacketWatch::kAck : 0u);
  return {ntohs(tcp.source), ntohs(tcp.dest), total > before ? total - before : 0, flags};
}

}  // namespace

PacketWatch::PacketWatch(const std::string& netns_path, const std::string& interface)
    : PacketWatch(netns_path, interface, "") {}

PacketWatch::PacketWatch(const std::string& netns_path, const std::string& interface,
                         std::string marker)
    : stop_(::eventfd(0, EFD_CLOEXEC)), marker_(std::move(marker)) {
  in_namespace(netns_path, [&] {
    socket_ = Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL)));
    const int buffer = kQueueBytes;
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
    sockaddr_ll at{};
    at.sll_family = AF_PACKET;
    at.sll_protocol = htons(ETH_P_ALL);
    at.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
    if (at.sll_ifindex == 0 ||
        ::bind(socket_.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) {
      std::perror(interface.c_str());
      std::abort();
    }
  });
  thread_ = std::thread([this] { watch(); });
}

PacketWatch::~PacketWatch() {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t n = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

void PacketWatch::watch() {
  std::string buffer(kFrameBytesMax, '\0');
  for (;;) {
    pollfd watched[] = {{stop_.get(), POLLIN, 0}, {socket_.get(), POLLIN, 0}};
    if (::poll(watched, 2, -1) < 0) continue;
    if (watched[0].revents != 0) return;
    for (ssize_t n; (n = ::recv(socket_.get(), buffer.data(), buffer.size(), 0)) > 0;) {
      std::lock_guard lock(mutex_);
      const std::string_view frame(buffer.data(), static_cast<size_t>(n));
      ++count_;
      if (marker_.empty())
        frames_.emplace_back(frame);
      else if (frame.find(marker_) != std::string_view::npos)
        has_seen_marker_ = true;
    }
  }
}

bool PacketWatch::has_seen(std::string_view marker) const {
  std::lock_guard lock(mutex_);
  if (!marker_.empty() && marker == marker_) return has_seen_marker_;
  for (const std::string& frame : frames_)
    if (frame.find(marker) != std::string::npos) return true;
  return false;
}

size_t PacketWatch::frames() const {
  std::lock_guard lock(mutex_);
  return count_;
}

size_t PacketWatch::missed() const {
  std::lock_guard lock(mutex_);
  tpacket_stats since_last{};
  socklen_t length = sizeof since_last;
  ::getsockopt(socket_.get(), SOL_PACKET, PACKET_STATISTICS, &since_last, &length);
  return missed_ += since_last.tp_drops;
}

size_t PacketWatch::tcp_payload_bytes(__u16 port) const {
  std::lock_guard lock(mutex_);
  size_t bytes = 0;
  for (const std::string& frame : frames_)
    if (Segment segment = segment_of(frame); segment.source == port || segment.destination == port)
      bytes += segment.payload_bytes;
  return bytes;
}

size_t PacketWatch::segments(__u16 source_port, __u16 destination_port, unsigned flags) const {
  std::lock_guard lock(mutex_);
  size_t count = 0;
  for (const std::string& frame : frames_) {
    const Segment segment = segment_of(frame);
    if (segment.source == source_port && segment.destination == destination_port &&
        segment.flags == flags)
      ++count;
  }
  return count;
}

}  // namespace keelson::test
