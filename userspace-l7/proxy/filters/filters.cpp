#include "proxy/filters/filters.h"

#include <string>
#include <string_view>

#include "http/h1/characters.h"
#include "http/h1/fields.h"
#include "proxy/route/path.h"

namespace keelson::proxy {
namespace {

using config::PathModifier;
using http::MessageHead;
namespace h1 = http::h1;

// ---- header modifiers --------------------------------------------------------------------------

bool is_host(const MessageHead& head, std::string_view name) noexcept {
  return head.is_request() && http::equals_ignoring_case(name, "host");
}

bool is_modifiable(std::string_view name) noexcept {
  return h1::is_token(name) && h1::classify(name) == h1::Field::kEndToEnd;
}

void set_authority(MessageHead& head, std::string_view authority) {
  if (!h1::is_authority(authority)) return;
  head.authority.assign(authority);
  for (char& c : head.authority)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
}

void add_value(http::HeaderList& headers, std::string_view name, std::string_view value) {
  if (http::equals_ignoring_case(name, "set-cookie") || !headers.contains(name)) {
    headers.add(name, value);
    return;
  }
  std::string all;
  for (const http::HeaderView header : headers) {
    if (!http::equals_ignoring_case(header.name, name) || header.value.empty()) continue;
    all.append(header.value).push_back(',');
  }
  headers.set(name, all.append(value));
}

// ---- paths -------------------------------------------------------------------------------------

// A configured path as text of a request target. Whatever could end the path or the line there is
// escaped, '?' too: the query is the request's.
void append_path(std::string& to, std::string_view path) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : path) {
    if (c != '?' && h1::is_target_text({&c, 1})) {
      to.push_back(c);
      continue;
    }
    const auto byte = static_cast<uint8_t>(c);
    to.append({'%', kHex[byte >> 4], kHex[byte & 15]});
  }
}

std::string replaced_prefix(std::string_view value, std::string_view prefix,
                            std::string_view path) {
  std::string replaced;
  value = without_trailing_slash(value);
  if (!value.empty() && !value.starts_with('/')) replaced = "/";
  append_path(replaced, value);
  std::string_view rest = behind_prefix(path, prefix);
  // With nothing put before it, "//host" would be left, which a client or server may take for the
  // start of an authority (RFC 3986 section 4.2).
  if (replaced.empty())
    while (rest.starts_with("//")) rest.remove_prefix(1);
  replaced.append(rest);
  return replaced.empty() ? "/" : replaced;
}

// The request's path after the modifier; "*" and the empty one of CONNECT are no paths and stay.
std::string modified_path(const std::optional<PathModifier>& modifier,
                          const config::RequestMatch& match, std::string_view path) {
  if (!modifier || !path.starts_with('/')) return std::string(path);
  if (modifier->kind == PathModifier::Kind::kReplacePrefixMatch) {
    // Without a prefix there is nothing to replace; compile refuses such a rule.
    if (match.path_kind != config::PathMatch::kPrefix) return std::string(path);
    return replaced_prefix(modifier->value, match.path, path);
  }
  std::string replaced;
  if (!modifier->value.starts_with('/')) replaced = "/";
  append_path(replaced, modifier->value);
  return replaced;
}

// ---- redirects ---------------------------------------------------------------------------------

std::string_view without_port(std::string_view authority) noexcept {
  const size_t colon = authority.rfind(':');
  const size_t bracket = authority.rfind(']');
  if (colon == std::string_view::npos) return authority;
  const bool is_in_address = bracket != std::string_view::npos && colon < bracket;
  return is_in_address ? authority : authority.substr(0, colon);
}

uint16_t well_known_port(std::string_view scheme) noexcept {
  return scheme == "http" ? 80 : scheme == "https" ? 443 : 0;
}

std::string location(const config::Redirect& redirect, const config::RequestMatch& match,
                     const MessageHead& request, uint16_t service_port) {
  std::string path = modified_path(redirect.path, match, request.path());
  // The effective URI of OPTIONS * has no path (RFC 9112 section 3.3).
  if (!path.starts_with('/')) path.clear();
  // As in the target: an empty query is a query.
  if (const size_t mark = request.target.find('?'); mark != std::string::npos)
    path.append(request.target, mark);

  const bool is_own_host = h1::is_authority(redirect.hostname);
  const std::string_view host =
      is_own_host ? std::string_view(redirect.hostname) : without_port(request.authority);
  if (host.empty()) {
    // A relative reference; "//host" at its start would name another host.
    const size_t first = path.find_first_not_of('/');
    const size_t slashes = first == std::string::npos ? path.size() : first;
    return slashes > 1 ? path.substr(slashes - 1) : path.empty() ? "/" : path;
  }
  const std::string_view scheme = !redirect.scheme.empty()  ? std::string_view(redirect.scheme)
                                  : !request.scheme.empty() ? std::string_view(request.scheme)
                                                            : std::string_view("http");
  const uint16_t own_port = well_known_port(scheme);
  uint16_t port = redirect.port;
  if (port == 0) port = redirect.scheme.empty() ? service_port : own_port;
  std::string uri(scheme);
  uri.append("://").append(host);
  if (port != own_port && port != 0) uri.append(":").append(std::to_string(port));
  return uri.append(path);
}

}  // namespace

void modify_headers(const config::HeaderModifier& modifier, MessageHead& head) {
  for (const auto& [name, value] : modifier.set) {
    if (is_host(head, name))
      set_authority(head, value);
    else if (is_modifiable(name) && h1::is_field_value(value))
      head.headers.set(name, h1::trim(value));
  }
  for (const auto& [name, value] : modifier.add) {
    if (is_host(head, name))
      set_authority(head, value);
    else if (is_modifiable(name) && h1::is_field_value(value))
      add_value(head.headers, name, h1::trim(value));
  }
  for (const std::string& name : modifier.remove)
    if (is_modifiable(name)) head.headers.remove(name);
}

MessageHead make_redirect(const config::Redirect& redirect, const config::RequestMatch& match,
                          const MessageHead& request, uint16_t service_port) {
  MessageHead answer;
  answer.status = redirect.status;
  answer.headers.add("location", location(redirect, match, request, service_port));
  answer.content_length = 0;
  return answer;
}

void rewrite(const config::Rewrite& rewrite, const config::RequestMatch& match,
             MessageHead& request) {
  if (!rewrite.hostname.empty()) set_authority(request, rewrite.hostname);
  if (!rewrite.path) return;
  std::string target = modified_path(rewrite.path, match, request.path());
  if (const size_t mark = request.target.find('?'); mark != std::string::npos)
    target.append(request.target, mark);
  request.target = std::move(target);
}

}  // namespace keelson::proxy
