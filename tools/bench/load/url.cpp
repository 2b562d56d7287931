#include "url.h"

#include <netdb.h>

#include <charconv>
#include <cstring>
#include <memory>

namespace keelson::load {
namespace {

constexpr uint16_t kHttpPort = 80;
constexpr uint16_t kHttpsPort = 443;

Failure bad(std::string why) {
  return fail(Reason::bad_usage, ErrorSource::kConfig, std::move(why));
}

Result<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc() || at != end || port == 0)
    return bad("\"" + std::string(text) + "\" is no port (1 to 65535)");
  return port;
}

// Splits HOST[:PORT], [IPV6][:PORT]; `port` is empty when there is none.
Result<std::string_view> split_host(std::string_view text, std::string_view& port) {
  const bool is_bracketed = text.starts_with('[');
  const size_t host_end = is_bracketed ? text.find(']') : text.find(':');
  if (is_bracketed && host_end == std::string_view::npos)
    return bad("\"" + std::string(text) + "\" has no closing bracket");
  std::string_view host = text.substr(0, host_end);
  std::string_view rest = text.substr(host.size());
  if (is_bracketed) {
    host.remove_prefix(1);
    rest.remove_prefix(1);
  }
  if (host.empty()) return bad("\"" + std::string(text) + "\" names no host");
  if (!rest.empty() && !rest.starts_with(':'))
    return bad("\"" + std::string(text) + "\" is not HOST:PORT");
  if (rest == ":") return bad("\"" + std::string(text) + "\" has no port behind the colon");
  port = rest.empty() ? rest : rest.substr(1);
  return host;
}

bool has_space_or_control(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') return true;
  return false;
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  Url url;
  if (has_space_or_control(text)) return bad("a URL has no spaces or control characters");
  if (text.starts_with("https://")) {
    url.is_tls = true;
    url.port = kHttpsPort;
  } else if (text.starts_with("http://")) {
    url.port = kHttpPort;
  } else {
    return bad("\"" + std::string(text) + "\" does not begin with http:// or https://");
  }
  text.remove_prefix(url.is_tls ? 8 : 7);
  text = text.substr(0, text.find('#'));
  const size_t path_at = text.find_first_of("/?");
  url.authority = text.substr(0, path_at);
  if (path_at != std::string_view::npos) url.path = text.substr(path_at);
  if (url.path.starts_with('?')) url.path.insert(0, "/");
  if (url.authority.find('@') != std::string::npos)
    return bad("user information in a URL is not sent; use --header");
  std::string_view port;
  KS_ASSIGN(url.host, split_host(url.authority, port));
  if (!port.empty()) {
    KS_ASSIGN(url.port, parse_port(port));
  }
  return url;
}

Result<HostPort> HostPort::parse(std::string_view text) {
  HostPort parsed;
  std::string_view port;
  KS_ASSIGN(parsed.host, split_host(text, port));
  if (port.empty()) return bad("\"" + std::string(text) + "\" is not ADDR:PORT");
  KS_ASSIGN(parsed.port, parse_port(port));
  return parsed;
}

Result<SocketAddress> resolve(const HostPort& to) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(to.host.c_str(), std::to_string(to.port).c_str(), &hints, &found);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  if (error != 0)
    return fail(Reason::cannot_reach, ErrorSource::kKernel, to.host + ": " + gai_strerror(error));
  SocketAddress address;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  address.length = found->ai_addrlen;
  return address;
}

}  // namespace keelson::load
