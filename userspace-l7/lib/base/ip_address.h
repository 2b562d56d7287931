// IpAddress: one 16-byte address type for both families (IPv4 as ::ffff:a.b.c.d), the same bytes
// the kernel maps use; Endpoint adds a port; IpPrefix a prefix length. Pure, any thread.
#pragma once

#include <sys/socket.h>

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "keelson_abi/abi.h"

namespace keelson {

class IpAddress {
 public:
  IpAddress() noexcept : raw_{} {}
  explicit IpAddress(const ks_addr& raw) noexcept : raw_(raw) {}
  // "10.0.0.1" or "fd00::1"; no zone, no port. Error: Reason::bad_value.
  static Result<IpAddress> parse(std::string_view text);

  const ks_addr& raw() const noexcept { return raw_; }
  bool is_v4() const noexcept;
  bool is_loopback() const noexcept;
  bool is_unspecified() const noexcept;  // ::, 0.0.0.0 and the default-constructed value
  ks_family family() const noexcept { return is_v4() ? KS_FAMILY_4 : KS_FAMILY_6; }
  std::string to_string() const;  // dotted quad for IPv4, RFC 5952 for IPv6

  friend bool operator==(const IpAddress& a, const IpAddress& b) noexcept {
    return (a <=> b) == std::strong_ordering::equal;
  }
  friend std::strong_ordering operator<=>(const IpAddress& a, const IpAddress& b) noexcept;

 private:
  ks_addr raw_;
};

struct Endpoint {
  IpAddress address;
  uint16_t port = 0;

  static Endpoint from_raw(const ks_endpoint& raw) noexcept {
    return {IpAddress(raw.addr), raw.port};
  }
  // "10.0.0.1:80", "[fd00::1]:80"; what follows the last colon is the port, so that an IPv6 address
  // that was put together without brackets is understood too. Error: Reason::bad_value.
  static Result<Endpoint> parse(std::string_view text);
  // Error: Reason::bad_value when the family is neither AF_INET nor AF_INET6.
  static Result<Endpoint> from_sockaddr(const sockaddr_storage& from);
  ks_endpoint raw() const noexcept { return {address.raw(), port, 0}; }
  // Fills `to` (AF_INET for IPv4, else AF_INET6) and returns its length.
  socklen_t to_sockaddr(sockaddr_storage& to) const noexcept;
  std::string to_string() const;  // "10.0.0.1:80", "[fd00::1]:80"
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

struct IpPrefix {
  IpAddress address;        // host bits are zero
  uint8_t length_bits = 0;  // 0..128; IPv4 prefixes are 96 + their own length

  // "10.0.0.0/8", "fd00::/8", or a bare address. Error: Reason::bad_value (also for set host bits).
  static Result<IpPrefix> parse(std::string_view text);
  // The prefix of `to_bits` (<= length_bits) that this one lies in.
  IpPrefix widened(uint8_t to_bits) const noexcept;
  bool contains(const IpAddress& candidate) const noexcept;
  std::string to_string() const;
  friend auto operator<=>(const IpPrefix&, const IpPrefix&) = default;
};

}  // namespace keelson
