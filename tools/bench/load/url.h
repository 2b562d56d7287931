// Url: the parts of http[s]://HOST[:PORT][/PATH] that a request needs, and the way from a name to
// an address. parse() is pure; resolve() may block on the resolver, once, before any measurement.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson::load {

struct Url {
  bool is_tls = false;
  std::string host;  // without the brackets of an IPv6 address
  uint16_t port = 80;
  std::string authority;   // as written: HOST[:PORT]
  std::string path = "/";  // with its query

  // Error: bad_usage, with what is wrong.
  static Result<Url> parse(std::string_view text);
};

// HOST:PORT or [IPV6]:PORT. Error: bad_usage.
struct HostPort {
  std::string host;
  uint16_t port = 0;
  static Result<HostPort> parse(std::string_view text);
};

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
};

// Error: cannot_reach when the name has no address.
Result<SocketAddress> resolve(const HostPort& to);

}  // namespace keelson::load
