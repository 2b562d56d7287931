#include "base/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>

namespace keelson {
namespace {

using Bytes = std::array<uint8_t, 16>;

Bytes bytes_of(const IpAddress& address) noexcept {
  Bytes bytes;
  std::memcpy(bytes.data(), &address.raw(), bytes.size());
  return bytes;
}

IpAddress address_of(const void* bytes) noexcept {
  ks_addr raw;
  std::memcpy(&raw, bytes, sizeof raw);
  return IpAddress(raw);
}

IpAddress mapped(const in_addr& v4) noexcept {
  Bytes bytes{};
  bytes[10] = bytes[11] = 0xff;
  std::memcpy(&bytes[12], &v4, 4);
  return address_of(bytes.data());
}

// Room for INET6_ADDRSTRLEN. IPv4 not by inet_ntop(), which takes sprintf() and 1,650 instructions:
// every request has addresses.
char* print(char* at, const IpAddress& address) noexcept {
  if (!address.is_v4()) {
    inet_ntop(AF_INET6, &address.raw(), at, INET6_ADDRSTRLEN);
    return at + std::strlen(at);
  }
  char* const begin = at;
  for (const uint8_t byte : std::bit_cast<std::array<uint8_t, 4>>(address.raw().word[3])) {
    if (at != begin) *at++ = '.';
    at = std::to_chars(at, at + 3, byte).ptr;
  }
  return at;
}

}  // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated(text);
  in_addr v4;
  if (inet_pton(AF_INET, terminated.c_str(), &v4) == 1) return mapped(v4);
  in6_addr v6;
  if (inet_pton(AF_INET6, terminated.c_str(), &v6) == 1) return address_of(&v6);
  return fail(Reason::bad_value, ErrorSource::kConfig,
              "'" + terminated + "' is not an IPv4 or IPv6 address");
}

bool IpAddress::is_v4() const noexcept {
  return raw_.word[0] == 0 && raw_.word[1] == 0 && raw_.word[2] == htonl(0xffff);
}

bool IpAddress::is_loopback() const noexcept {
  if (is_v4()) return (raw_.word[3] & htonl(0xff000000)) == htonl(0x7f000000);
  return raw_.word[0] == 0 && raw_.word[1] == 0 && raw_.word[2] == 0 && raw_.word[3] == htonl(1);
}

bool IpAddress::is_unspecified() const noexcept {
  return raw_.word[0] == 0 && raw_.word[1] == 0 && raw_.word[3] == 0 &&
         (raw_.word[2] == 0 || raw_.word[2] == htonl(0xffff));
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text;
  return {text.data(), print(text.data(), *this)};
}

std::strong_ordering operator<=>(const IpAddress& a, const IpAddress& b) noexcept {
  return std::memcmp(&a.raw_, &b.raw_, sizeof a.raw_) <=> 0;
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  std::string_view host = text.substr(0, colon);
  const bool is_bracketed = host.starts_with('[') && host.ends_with(']');
  if (is_bracketed) host = host.substr(1, host.size() - 2);
  uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const bool has_port = colon != std::string_view::npos && [&] {
    const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, port);
    return error == std::errc() && stop == end;
  }();
  auto address = IpAddress::parse(host);
  if (!has_port || !address || (is_bracketed && address->family() != KS_FAMILY_6))
    return fail(Reason::bad_value, ErrorSource::kConfig,
                "'" + std::string(text) + "' is not ADDRESS:PORT");
  return Endpoint{*address, port};
}

Result<Endpoint> Endpoint::from_sockaddr(const sockaddr_storage& from) {
  if (from.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(from);
    return Endpoint{mapped(in.sin_addr), ntohs(in.sin_port)};
  }
  if (from.ss_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(from);
    return Endpoint{address_of(&in.sin6_addr), ntohs(in.sin6_port)};
  }
  return fail(Reason::bad_value, ErrorSource::kInternal, "socket address of another family");
}

socklen_t Endpoint::to_sockaddr(sockaddr_storage& to) const noexcept {
  to = {};
  if (address.is_v4()) {
    auto& in = reinterpret_cast<sockaddr_in&>(to);
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    in.sin_addr.s_addr = address.raw().word[3];
    return sizeof in;
  }
  auto& in = reinterpret_cast<sockaddr_in6&>(to);
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  std::memcpy(&in.sin6_addr, &address.raw(), sizeof in.sin6_addr);
  return sizeof in;
}

std::string Endpoint::to_string() const {
  std::array<char, INET6_ADDRSTRLEN + sizeof "[]:65535"> text;
  char* at = text.data();
  const bool is_v4 = address.is_v4();
  if (!is_v4) *at++ = '[';
  at = print(at, address);
  if (!is_v4) *at++ = ']';
  *at++ = ':';
  return {text.data(), std::to_chars(at, text.end(), port).ptr};
}

Result<IpPrefix> IpPrefix::parse(std::string_view text) {
  const size_t slash = text.find('/');
  KS_ASSIGN(IpAddress address, IpAddress::parse(text.substr(0, slash)));
  const unsigned own_bits = address.is_v4() ? 32 : 128;
  unsigned length = own_bits;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (error != std::errc() || end != digits.data() + digits.size() || length > own_bits)
      return fail(Reason::bad_value, ErrorSource::kConfig,
                  "'" + std::string(text) + "' has no valid prefix length");
  }
  const auto length_bits = static_cast<uint8_t>(128 - own_bits + length);
  const IpPrefix prefix = IpPrefix{address, 128}.widened(length_bits);
  if (prefix.address != address)
    return fail(
        Reason::bad_value, ErrorSource::kConfig,
        "'" + std::string(text) + "' has bits set beyond its prefix; write " + prefix.to_string());
  return prefix;
}

IpPrefix IpPrefix::widened(uint8_t to_bits) const noexcept {
  Bytes bytes = bytes_of(address);
  const size_t whole = to_bits / 8;
  if (whole < bytes.size()) {
    bytes[whole] &= static_cast<uint8_t>(0xff00u >> (to_bits % 8));
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(whole) + 1, bytes.end(), uint8_t{0});
  }
  return {address_of(bytes.data()), to_bits};
}

bool IpPrefix::contains(const IpAddress& candidate) const noexcept {
  const Bytes mine = bytes_of(address);
  const Bytes theirs = bytes_of(candidate);
  const size_t whole = length_bits / 8;
  if (std::memcmp(mine.data(), theirs.data(), whole) != 0) return false;
  const unsigned rest = length_bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff00u >> rest);
  return (mine[whole] & mask) == (theirs[whole] & mask);
}

std::string IpPrefix::to_string() const {
  const unsigned own_length = address.is_v4() && length_bits >= 96 ? length_bits - 96 : length_bits;
  return address.to_string() + "/" + std::to_string(own_length);
}

}  // namespace keelson
