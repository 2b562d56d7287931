// The 64-bit ids that stand for names in kernel rows and events, and the canonical names they are
// made from. Pure, any thread. A service has one id for each port and address family, because its
// backends differ; all of them carry the same name in Names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ip_address.h"

namespace keelson::compile {

// "cluster.local/ns/shop/sa/web"
std::string identity_name(std::string_view trust_domain, std::string_view ns,
                          std::string_view service_account);
uint64_t identity_id(std::string_view identity_name);  // of "spiffe://" + name
uint64_t service_id(std::string_view ns, std::string_view name, uint16_t port, ks_family family);
uint64_t policy_id(std::string_view ns, std::string_view name);
// For "no ALLOW policy matches"; `names`: the ALLOW policies concerned, as "ns/name, ns/name".
uint64_t no_allow_id(std::string_view names);

}  // namespace keelson::compile
