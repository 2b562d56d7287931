#include "compile/workload.h"

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>
#include <unordered_map>

#include "compile/ids.h"

namespace keelson::compile {
namespace {

using model::Severity;

// The address that the pod's object names, else the first that is valid beyond the link.
ks_addr primary_address(const Workload& workload, ks_family family) {
  const auto& actual = workload.facts->addresses;
  const auto usable = [&](const IpAddress& address) {
    return address.family() == family && !address.is_loopback() && !is_link_local(address);
  };
  for (const auto& address : workload.pod->addresses)
    if (usable(address) && std::find(actual.begin(), actual.end(), address) != actual.end())
      return address.raw();
  const auto found = std::find_if(actual.begin(), actual.end(), usable);
  return found == actual.end() ? ks_addr{} : found->raw();
}

void check_addresses(const Workload& workload, std::vector<model::Finding>& findings) {
  const auto& actual = workload.facts->addresses;
  for (const auto& address : workload.pod->addresses)
    if (std::find(actual.begin(), actual.end(), address) == actual.end())
      findings.push_back({Severity::kWarning, Reason::address_mismatch, workload.pod->meta.where,
                          workload.pod->meta.key.to_string(),
                          "no interface of the pod has its address " + address.to_string(), ""});
}

std::map<uint16_t, uint32_t> port_flags(const Workload& workload) {
  std::map<uint16_t, uint32_t> flags;
  for (const uint16_t port : workload.pod->probe_ports) flags[port] |= KS_PORT_PROBE;
  for (const uint16_t port : workload.pod->excluded_outbound_ports)
    flags[port] |= KS_PORT_EXCLUDED_OUT;
  for (const auto& [port, strict] : workload.plaintext.port_strict)
    flags[port] |= strict ? KS_PORT_STRICT : KS_PORT_PERMISSIVE;
  return flags;
}

uint64_t identity_of(const model::Pod& pod, const std::string& trust_domain) {
  return identity_id(identity_name(trust_domain, pod.meta.key.ns, pod.service_account));
}

}  // namespace

bool is_link_local(const IpAddress& address) {
  static const IpPrefix v4 = IpPrefix::parse("169.254.0.0/16").value();
  static const IpPrefix v6 = IpPrefix::parse("fe80::/10").value();
  return v4.contains(address) || v6.contains(address);
}

PortRange capture_ports(uint16_t local_port_first, uint16_t local_port_last,
                        const std::vector<model::ContainerPort>& declared) {
  std::set<int> taken;
  for (const auto& port : declared)
    if (port.is_tcp) taken.insert(port.port);
  PortRange best;
  const auto look_in = [&](int first, int last) {
    while (first <= last) {
      const auto next = taken.lower_bound(first);
      const int end = next == taken.end() ? last + 1 : std::min(*next, last + 1);
      if (end - first > best.count)
        best = {static_cast<uint16_t>(first), static_cast<uint16_t>(end - first)};
      first = end + 1;
    }
  };
  const int first = KS_CAPTURE_PORT_FIRST, last = KS_CAPTURE_PORT_LAST;
  look_in(first, std::min<int>(last, local_port_first - 1));
  look_in(std::max<int>(first, local_port_last + 1), last);
  if (best.count == 0) look_in(1, KS_CAPTURE_PORT_FIRST - 1);
  return best;
}

std::vector<Workload> local_workloads(const model::Snapshot& snapshot, const NodeFacts& facts) {
  std::unordered_map<std::string, const model::Pod*> by_uid;
  for (const auto& [key, pod] : snapshot.pods) by_uid.emplace(pod->meta.uid, pod.get());
  std::vector<Workload> workloads;
  for (const auto& local : facts.pods)
    if (const auto found = by_uid.find(local.uid); found != by_uid.end())
      workloads.push_back({&local, found->second, 0, {}});
  return workloads;
}

RowList compile_workload(const Workload& workload, const std::string& trust_domain,
                         std::vector<model::Finding>& findings) {
  check_addresses(workload, findings);
  const LocalPod& local = *workload.facts;
  const PortRange capture =
      capture_ports(local.local_port_first, local.local_port_last, workload.pod->ports);
  ks_pod pod{};
  pod.identity = identity_of(*workload.pod, trust_domain);
  pod.policy_set[0] = workload.policy_set;
  pod.grace_until_ns =
      local.is_leaving ? std::numeric_limits<uint64_t>::max() : local.grace_until_ns;
  pod.addr4 = primary_address(workload, KS_FAMILY_4);
  pod.addr6 = primary_address(workload, KS_FAMILY_6);
  pod.slot = local.slot;
  pod.flags = workload.plaintext.strict ? KS_POD_STRICT : 0;
  pod.capture_port_first = capture.first;
  pod.capture_port_count = capture.count;

  RowList rows;
  rows.push_back(make_row(MapId::kPod, local.netns_cookie, pod));
  for (const auto& [port, flags] : port_flags(workload))
    rows.push_back(
        make_row(MapId::kPort, ks_port_key{local.netns_cookie, port, 0, 0}, ks_port{flags}));
  if (local.host_ifindex != 0)
    rows.push_back(
        make_row(MapId::kInterface, local.host_ifindex, ks_interface{local.netns_cookie}));
  return rows;
}

RowList compile_host(const NodeFacts& facts) {
  if (facts.netns_cookie == 0) return {};
  ks_pod host{};
  host.flags = KS_POD_HOST;
  return {make_row(MapId::kPod, facts.netns_cookie, host)};
}

std::vector<model::Finding> unsuitable_pods(const model::Snapshot& snapshot,
                                            const NodeFacts& facts) {
  std::vector<model::Finding> findings;
  for (const auto& [key, pod] : snapshot.pods)
    if (pod->node_name == facts.node_name && pod->host_network && !pod->terminal &&
        model::is_meshed(snapshot, *pod))
      findings.push_back({Severity::kInfo, Reason::host_network, pod->meta.where, key.to_string(),
                          "the pod uses the node's network and is not meshed",
                          "label it keelson.dev/mesh: disabled to say that this is meant"});
  return findings;
}

}  // namespace keelson::compile
