#include "tls/spiffe_id.h"

#include <algorithm>

namespace keelson::tls {
namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr size_t kUriBytesMax = 2048;         // SPIFFE ID, section 2.3
constexpr size_t kTrustDomainBytesMax = 255;  // SPIFFE ID, section 2.3
constexpr size_t kNamespaceBytesMax = 63;     // Kubernetes: an RFC 1123 label
constexpr size_t kAccountBytesMax = 253;      // Kubernetes: an RFC 1123 subdomain

bool is_lower_alnum(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// RFC 1123 label as Kubernetes reads it. Without this an API object could never have the name, so
// such an identity matches nobody we know and is only useful as a look-alike.
bool is_label(std::string_view text) noexcept {
  if (text.empty() || !is_lower_alnum(text.front()) || !is_lower_alnum(text.back())) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_lower_alnum(c) || c == '-'; });
}

bool is_subdomain(std::string_view text) noexcept {
  for (;;) {
    const size_t dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

Failure malformed(std::string what) {
  return fail(Reason::spiffe_id_malformed, ErrorSource::kInternal, std::move(what));
}

// Takes the segment up to the next '/', which it also takes.
std::string_view take_segment(std::string_view& rest) noexcept {
  const size_t slash = rest.find('/');
  const std::string_view segment = rest.substr(0, slash);
  rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
  return segment;
}

}  // namespace

bool is_trust_domain(std::string_view text) noexcept {
  if (text.empty() || text.size() > kTrustDomainBytesMax) return false;
  // "." and ".." are legal by the letters of the specification and path steps to everybody else.
  if (text.find_first_not_of('.') == std::string_view::npos) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_lower_alnum(c) || c == '.' || c == '-' || c == '_'; });
}

Result<SpiffeId> SpiffeId::make(std::string_view trust_domain, std::string_view ns,
                                std::string_view service_account) {
  if (!is_trust_domain(trust_domain)) return malformed("trust domain is not canonical");
  if (ns.size() > kNamespaceBytesMax || !is_label(ns))
    return malformed("namespace is not a Kubernetes name");
  if (service_account.size() > kAccountBytesMax || !is_subdomain(service_account))
    return malformed("service account is not a Kubernetes name");
  return SpiffeId{std::string(trust_domain), std::string(ns), std::string(service_account)};
}

Result<SpiffeId> SpiffeId::parse(std::string_view uri) {
  if (uri.size() > kUriBytesMax) return malformed("longer than 2048 bytes");
  if (!uri.starts_with(kScheme)) return malformed("scheme is not spiffe://");
  std::string_view rest = uri.substr(kScheme.size());
  // Exactly five parts, counted on the text: a trailing or doubled slash makes a sixth.
  if (std::count(rest.begin(), rest.end(), '/') != 4)
    return malformed("path is not /ns/NAMESPACE/sa/ACCOUNT");
  const std::string_view trust_domain = take_segment(rest);
  if (take_segment(rest) != "ns") return malformed("path does not begin with /ns/");
  const std::string_view ns = take_segment(rest);
  if (take_segment(rest) != "sa") return malformed("path lacks /sa/");
  return make(trust_domain, ns, rest);
}

std::string SpiffeId::to_string() const {
  return std::string(kScheme) + trust_domain + "/ns/" + ns + "/sa/" + service_account;
}

}  // namespace keelson::tls
