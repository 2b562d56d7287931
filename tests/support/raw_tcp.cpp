#include "support/raw_tcp.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "base/fd.h"
#include "support/netns_thread.h"

namespace keelson::test {
namespace {

// RFC 793 3.1: the sum covers a pseudo header of both addresses, the protocol and the length.
struct PseudoHeader {
  uint32_t source, destination;
  uint8_t zero, protocol;
  uint16_t length;
};

uint16_t checksum(const PseudoHeader& pseudo, const tcphdr& header) {
  std::array<uint16_t, (sizeof pseudo + sizeof header) / 2> words{};
  std::memcpy(words.data(), &pseudo, sizeof pseudo);
  std::memcpy(reinterpret_cast<char*>(words.data()) + sizeof pseudo, &header, sizeof header);
  uint32_t sum = 0;
  for (uint16_t word : words) sum += word;
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

}  // namespace

bool send_syn(const std::string& netns_path, const Endpoint& from, const Endpoint& to) {
  sockaddr_storage source{}, destination{};
  socklen_t length = from.to_sockaddr(source);
  to.to_sockaddr(destination);
  auto* source4 = reinterpret_cast<sockaddr_in*>(&source);
  auto* destination4 = reinterpret_cast<sockaddr_in*>(&destination);
  tcphdr header{};
  header.source = htons(from.port);
  header.dest = htons(to.port);
  header.seq = htonl(0x4b53);
  header.doff = sizeof header / 4;
  header.syn = 1;
  header.window = htons(65535);
  header.check = checksum({source4->sin_addr.s_addr, destination4->sin_addr.s_addr, 0, IPPROTO_TCP,
                           htons(sizeof header)},
                          header);
  source4->sin_port = destination4->sin_port = 0;  // raw sockets take no ports
  bool is_sent = false;
  in_namespace(netns_path, [&] {
    Fd raw(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP));
    is_sent = raw && ::bind(raw.get(), reinterpret_cast<sockaddr*>(&source), length) == 0 &&
              ::sendto(raw.get(), &header, sizeof header, 0,
                       reinterpret_cast<sockaddr*>(&destination), length) == sizeof header;
  });
  return is_sent;
}

}  // namespace keelson::test
