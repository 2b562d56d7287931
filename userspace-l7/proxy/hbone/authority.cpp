#include "proxy/hbone/authority.h"

#include <algorithm>
#include <charconv>

namespace keelson::hbone {
namespace {

constexpr size_t kNameBytesMax = 253;  // RFC 1035 section 2.3.4, as text
constexpr size_t kLabelBytesMax = 63;

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

std::optional<uint16_t> parse_port(std::string_view text) noexcept {
  if (text.empty() || text.size() > 5 || text.front() == '0' ||
      !std::all_of(text.begin(), text.end(), is_digit))
    return {};
  unsigned port = 0;
  std::from_chars(text.data(), text.data() + text.size(), port);
  if (port > UINT16_MAX) return {};
  return static_cast<uint16_t>(port);
}

bool is_label(std::string_view label) noexcept {
  if (label.empty() || label.size() > kLabelBytesMax) return false;
  if (label.front() == '-' || label.back() == '-') return false;
  return std::all_of(label.begin(), label.end(), [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
  });
}

// A name whose last label is a number is an address that inet_aton() would read in its own way
// ("127.1", "0x7f.1"): such spellings are refused instead of resolved.
bool is_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > kNameBytesMax) return false;
  std::string_view label;
  for (std::string_view rest = name;;) {
    const size_t dot = rest.find('.');
    label = rest.substr(0, dot);
    if (!is_label(label)) return false;
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  return !is_digit(label.front());
}

}  // namespace

Result<Authority> Authority::parse(std::string_view text) {
  const auto refuse = [&](const char* why) {
    return fail(Reason::hbone_bad_authority, ErrorSource::kDownstream,
                std::string(why) + ": \"" + std::string(text.substr(0, kNameBytesMax)) + "\"");
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return refuse("no port");
  const auto port = parse_port(text.substr(colon + 1));
  if (!port) return refuse("bad port");
  std::string_view host = text.substr(0, colon);
  const bool is_bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (is_bracketed) host = host.substr(1, host.size() - 2);

  Authority authority;
  authority.port = *port;
  authority.host = host;
  for (char& c : authority.host)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  // Brackets hold IPv6 and only IPv6: anything else would have two spellings.
  const bool has_colon = host.find(':') != std::string_view::npos;
  if (is_bracketed != has_colon) return refuse("bad host");
  if (auto address = IpAddress::parse(authority.host)) {
    if (is_bracketed && address->is_v4()) return refuse("IPv4 spelt as IPv6");
    authority.address = *address;
    return authority;
  }
  if (is_bracketed || !is_name(authority.host)) return refuse("bad host");
  return authority;
}

std::string Authority::to_string() const {
  return address ? endpoint().to_string() : host + ":" + std::to_string(port);
}

}  // namespace keelson::hbone
