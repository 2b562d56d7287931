#include "compile/plan_text.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/ip_address.h"
#include "compile/route_text.h"

namespace keelson::compile {
namespace {

std::string hex(uint64_t id) {
  char text[24];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(id));
  return text;
}

std::string name_of(const auto& names, uint64_t id) {
  if (id == 0) return "none";
  const auto found = names.find(id);
  return found == names.end() ? hex(id) : "'" + found->second + "'";
}

std::string set_text(uint64_t id) {
  return id == 0 ? "none" : hex(id);
}

struct FlagName {
  uint32_t bit;
  const char* name;
};

template <size_t N>
std::string flags_text(uint32_t flags, const FlagName (&names)[N]) {
  std::string text;
  for (const auto& [bit, name] : names) {
    if ((flags & bit) == 0) continue;
    text += (text.empty() ? "" : ",") + std::string(name);
    flags &= ~bit;
  }
  if (flags != 0) text += (text.empty() ? "" : ",") + hex(flags);
  return text.empty() ? "none" : text;
}

std::string address_text(const ks_addr& raw) {
  const IpAddress address(raw);
  return address.is_unspecified() ? "none" : address.to_string();
}

std::string pod_text(std::string_view key, std::string_view value, const Names& names) {
  static constexpr FlagName kFlags[] = {{KS_POD_HOST, "host"},
                                        {KS_POD_STRICT, "strict"},
                                        {KS_POD_L7, "l7"},
                                        {KS_POD_LOCAL_MTLS, "local-mtls"}};
  const auto cookie = value_of<uint64_t>(key);
  const auto pod = value_of<ks_pod>(value);
  std::string text = "pod " + name_of(names.pods, cookie) + " cookie=" + std::to_string(cookie) +
                     " identity=" + name_of(names.identities, pod.identity) +
                     " set=" + set_text(pod.policy_set[0]);
  if (pod.policy_set[1] != 0) text += "+" + set_text(pod.policy_set[1]);
  text += " egress=" + set_text(pod.egress_set) +
          " grace_until_ns=" + std::to_string(pod.grace_until_ns) +
          " addr4=" + address_text(pod.addr4) + " addr6=" + address_text(pod.addr6) +
          " slot=" + std::to_string(pod.slot) + " flags=" + flags_text(pod.flags, kFlags) +
          " capture=" + std::to_string(pod.capture_port_first) + "+" +
          std::to_string(pod.capture_port_count);
  return text;
}

std::string port_text(std::string_view key, std::string_view value, const Names& names) {
  static constexpr FlagName kFlags[] = {{KS_PORT_PROBE, "probe"},
                                        {KS_PORT_STRICT, "strict"},
                                        {KS_PORT_PERMISSIVE, "permissive"},
                                        {KS_PORT_EXCLUDED_OUT, "excluded-out"}};
  const auto port = value_of<ks_port_key>(key);
  return "port " + name_of(names.pods, port.pod) + ":" + std::to_string(port.port) +
         " flags=" + flags_text(value_of<ks_port>(value).flags, kFlags);
}

std::string address_row_text(std::string_view key, std::string_view value, const Names& names) {
  static constexpr FlagName kFlags[] = {
      {KS_ADDRESS_LOCAL, "local"}, {KS_ADDRESS_REMOTE, "remote"}, {KS_ADDRESS_READY, "ready"}};
  const auto row = value_of<ks_address>(value);
  return "address " + IpAddress(value_of<ks_addr>(key)).to_string() +
         " pod=" + name_of(names.pods, row.pod) +
         " identity=" + name_of(names.identities, row.identity) +
         " flags=" + flags_text(row.flags, kFlags);
}

std::string service_text(std::string_view key, std::string_view value, const Names& names) {
  static constexpr FlagName kFlags[] = {{KS_SERVICE_L7, "l7"}};
  const auto at = value_of<ks_service_key>(key);
  const auto row = value_of<ks_service>(value);
  return "service " + Endpoint{IpAddress(at.addr), at.port}.to_string() + "/" +
         (at.protocol == 6 ? "tcp" : std::to_string(at.protocol)) + " " +
         name_of(names.services, row.id) + " backends=" + std::to_string(row.backend_count) +
         " flags=" + flags_text(row.flags, kFlags) + " id=" + hex(row.id);
}

std::string backend_text(std::string_view key, std::string_view value, const Names& names) {
  const auto at = value_of<ks_backend_key>(key);
  return "backend " + name_of(names.services, at.service) + " id=" + hex(at.service) + " #" +
         std::to_string(at.index) + " " +
         Endpoint::from_raw(value_of<ks_backend>(value).endpoint).to_string();
}

std::string set_row_text(std::string_view key, std::string_view value) {
  static constexpr FlagName kFlags[] = {{KS_SET_ADDRESSES, "addresses"}, {KS_SET_PORTS, "ports"}};
  const auto row = value_of<ks_set>(value);
  return "set " + hex(value_of<uint64_t>(key)) + " flags=" + flags_text(row.flags, kFlags) +
         " default_class=" + std::to_string(row.identity_class_default);
}

std::string class_text(MapId map, std::string_view key, std::string_view value,
                       const Names& names) {
  const std::string number = " -> " + std::to_string(value_of<uint32_t>(value));
  if (map == MapId::kClassId) {
    const auto at = value_of<ks_class_id_key>(key);
    return "class-identity " + hex(at.set) + " " + name_of(names.identities, at.identity) + number;
  }
  if (map == MapId::kClassPort) {
    const auto at = value_of<ks_class_port_key>(key);
    return "class-port " + hex(at.set) + " " + std::to_string(at.port) + number;
  }
  const auto at = value_of<ks_class_addr_key>(key);
  const IpPrefix prefix{IpAddress(at.addr), static_cast<uint8_t>(at.prefix_bits - 64)};
  return "class-address " + hex(uint64_t{at.set_high} << 32 | at.set_low) + " " +
         prefix.to_string() + number;
}

std::string policy_text(std::string_view key, std::string_view value, const Names& names) {
  const auto at = value_of<ks_policy_key>(key);
  const auto row = value_of<ks_policy>(value);
  return "policy " + hex(at.set) + " identity=" + std::to_string(at.identity_class) +
         " address=" + std::to_string(at.address_class) + " port=" + std::to_string(at.port_class) +
         (row.verdict == KS_ALLOW ? " allow" : " deny") +
         (row.deny_matched != 0 ? " deny-matched" : "") +
         " by=" + name_of(names.policies, row.policy);
}

// In order of precedence for each Service port and group of clients.
std::string routes_text(const config::RuntimeConfig& proxy) {
  std::string text;
  for (const RouteRow& row : route_rows(proxy)) {
    text += "route " + row.service->ns + "/" + row.service->name + ":" +
            std::to_string(row.service->port) + " clients=" + row.clients;
    if (row.rule == nullptr) {
      text += " nothing matches\n";
      continue;
    }
    const config::RouteRule& rule = *row.rule;
    text += " " + match_text(*row.match) + " -> " + rule.name +
            " backends: " + backends_text(rule) +
            " timeout: " + duration_text(rule.request_timeout) + "/" +
            duration_text(rule.backend_timeout);
    if (const std::string filters = filters_text(rule); !filters.empty())
      text += " filters: " + filters;
    text += "\n";
  }
  return text;
}

}  // namespace

std::string row_text(const RowKey& key, std::string_view value, const Names& names) {
  switch (key.map) {
    case MapId::kPod:
      return pod_text(key.key, value, names);
    case MapId::kPort:
      return port_text(key.key, value, names);
    case MapId::kAddress:
      return address_row_text(key.key, value, names);
    case MapId::kInterface:
      return "interface " + std::to_string(value_of<uint32_t>(key.key)) +
             " pod=" + name_of(names.pods, value_of<ks_interface>(value).pod);
    case MapId::kService:
      return service_text(key.key, value, names);
    case MapId::kBackend:
      return backend_text(key.key, value, names);
    case MapId::kSet:
      return set_row_text(key.key, value);
    case MapId::kPolicy:
      return policy_text(key.key, value, names);
    default:
      return class_text(key.map, key.key, value, names);
  }
}

std::string plan_text(const Plan& plan) {
  std::vector<std::pair<MapId, std::string>> lines;
  for (const auto& [key, value] : plan.rows)
    lines.emplace_back(key.map, row_text(key, value, plan.names));
  std::sort(lines.begin(), lines.end());  // hashed keys have no order that a reader could follow
  std::string text;
  for (const auto& [map, line] : lines) text += line + "\n";
  if (plan.proxy != nullptr) text += routes_text(*plan.proxy);
  for (const auto& finding : plan.findings) {
    static constexpr const char* kSeverity[] = {"info", "warning", "error"};
    text += std::string("finding ") + kSeverity[static_cast<int>(finding.severity)] + " " +
            std::string(reason_name(finding.reason)) + " " + finding.where.to_string() + " " +
            finding.object + ": " + finding.message +
            (finding.fix.empty() ? "" : " (" + finding.fix + ")") + "\n";
  }
  return text;
}

}  // namespace keelson::compile
