#include "compile/ids.h"

#include "base/content_id.h"

namespace keelson::compile {

std::string identity_name(std::string_view trust_domain, std::string_view ns,
                          std::string_view service_account) {
  std::string name;
  name.append(trust_domain).append("/ns/").append(ns).append("/sa/").append(service_account);
  return name;
}

uint64_t identity_id(std::string_view identity_name) {
  return content_id(std::string("spiffe://").append(identity_name));
}

uint64_t service_id(std::string_view ns, std::string_view name, uint16_t port, ks_family family) {
  std::string canonical = "service/";
  canonical.append(ns).append("/").append(name).append(":").append(std::to_string(port));
  canonical.append(family == KS_FAMILY_4 ? "/ipv4" : "/ipv6");
  return content_id(canonical);
}

uint64_t policy_id(std::string_view ns, std::string_view name) {
  return content_id(std::string("policy/").append(ns).append("/").append(name));
}

uint64_t no_allow_id(std::string_view names) {
  return content_id(std::string("no-allow/").append(names));
}

}  // namespace keelson::compile
