#include "lab_network.h"

#include <fmt/format.h>

#include "lab_command.h"

namespace keelson::lab {
namespace {

Result<void> ip_batch(const std::string& lines, const std::string& netns = "") {
  auto done = run({.argv = {"ip", "-batch", "-"}, .input = lines, .netns = netns});
  if (!done) {
    done.error().context += "\nwhile running:\n" + lines;
    return Failure(std::move(done).error());
  }
  return {};
}

// /proc/sys/net shows the namespace of the task that looks at it.
Result<void> set_sysctls(const std::string& netns,
                         const std::vector<std::pair<std::string, std::string>>& settings) {
  return in_netns(netns_path(netns), [&]() -> Result<void> {
    for (const auto& [name, value] : settings) KS_TRY(write_file("/proc/sys/net/" + name, value));
    return {};
  });
}

std::string pod_port(int slot) {
  return fmt::format("p{}", slot);
}

std::string nft_address(const Endpoint& endpoint) {
  return endpoint.address.to_string();
}

std::string nft_service(const VirtualService& service) {
  std::string_view family = service.cluster.address.is_v4() ? "ip" : "ip6";
  std::string rule = fmt::format(
      "    {} daddr {} tcp dport {} dnat {} to numgen random mod {} map {{ ", family,
      nft_address(service.cluster), service.cluster.port, family, service.endpoints.size());
  for (size_t i = 0; i < service.endpoints.size(); ++i)
    rule += fmt::format("{}{} : {} . {}", i == 0 ? "" : ", ", i, nft_address(service.endpoints[i]),
                        service.endpoints[i].port);
  return rule + " }\n";
}

}  // namespace

Result<void> Network::make_nodes() {
  if (layout_.nodes.empty() || layout_.nodes.size() > 2)
    return fail(Reason::bad_usage, ErrorSource::kConfig, "a lab has one or two nodes");
  for (const std::string& node : layout_.nodes) KS_TRY(make_node(node));
  if (layout_.nodes.size() == 2) KS_TRY(join_nodes());
  return {};
}

Result<void> Network::add_netns(const std::string& netns) {
  KS_TRY(ip_batch(fmt::format("netns add {}\n", netns)));
  return set_sysctls(netns, {layout_.sysctls.begin(), layout_.sysctls.end()});
}

Result<void> Network::make_node(std::string_view node) {
  int number = layout_.node_number(node);
  std::string netns = layout_.netns(node);
  KS_TRY(add_netns(netns));
  // Redirects would teach pods a way around the node; forwarding must be on before the addresses
  // so that IPv6 does not autoconfigure.
  KS_TRY(set_sysctls(netns, {{"ipv4/ip_forward", "1"},
                             {"ipv6/conf/all/forwarding", "1"},
                             {"ipv6/conf/default/forwarding", "1"},
                             {"ipv6/conf/default/accept_dad", "0"},
                             {"ipv4/conf/all/rp_filter", "0"},
                             {"ipv4/conf/default/rp_filter", "0"},
                             {"ipv4/conf/all/send_redirects", "0"},
                             {"ipv4/conf/default/send_redirects", "0"}}));
  // br_netfilter would translate on the bridge and send a pod's call to itself out of the port that
  // it came from, which a bridge does not do; routed through the node it works. Absent: fine.
  [[maybe_unused]] auto unfiltered = set_sysctls(
      netns, {{"bridge/bridge-nf-call-iptables", "0"}, {"bridge/bridge-nf-call-ip6tables", "0"}});
  // A bridge without an address of its own takes its lowest port's: every new pod could change it
  // under the neighbours' caches.
  return ip_batch(
      fmt::format("link set lo up\n"
                  "link add br0 address 02:4b:53:00:00:0{} type bridge forward_delay 0\n"
                  "link set br0 up\n"
                  "addr add {}/24 dev br0\n"
                  "addr add {}/64 dev br0 nodad\n",
                  number, gateway4(number), gateway6(number)),
      netns_path(netns));
}

Result<void> Network::join_nodes() {
  std::string first = layout_.netns(layout_.nodes[0]);
  std::string second = layout_.netns(layout_.nodes[1]);
  KS_TRY(ip_batch(fmt::format("link add eth0 type veth peer name eth0 netns {}\n", second),
                  netns_path(first)));
  for (int number = 1; number <= 2; ++number) {
    int other = 3 - number;
    KS_TRY(ip_batch(
        fmt::format("addr add {}/24 dev eth0\naddr add {}/64 dev eth0 nodad\nlink set eth0 up\n"
                    "route add 10.244.{}.0/24 via {}\nroute add fd44:0:0:{:x}::/64 via {}\n",
                    node_address4(number), node_address6(number), other, node_address4(other),
                    other, node_address6(other)),
        netns_path(number == 1 ? first : second)));
  }
  return {};
}

Result<void> Network::make_pod(std::string_view node, std::string_view pod, int slot) {
  int number = layout_.node_number(node);
  std::string netns = layout_.netns(node, pod);
  KS_TRY(add_netns(netns));
  KS_TRY(set_sysctls(netns, {{"ipv6/conf/default/accept_dad", "0"},
                             {"ipv6/conf/default/accept_ra", "0"},
                             {"ipv6/conf/default/accept_redirects", "0"},
                             {"ipv4/conf/all/rp_filter", "0"},
                             {"ipv4/conf/default/rp_filter", "0"},
                             {"ipv4/conf/all/accept_redirects", "0"}}));
  KS_TRY(ip_batch(fmt::format("link add {} type veth peer name eth0 netns {}\n"
                              "link set {} master br0 up\n",
                              pod_port(slot), netns, pod_port(slot)),
                  netns_path(layout_.netns(node))));
  return ip_batch(
      fmt::format("link set lo up\n"
                  "addr add {}/32 dev eth0\n"
                  "addr add {}/128 dev eth0 nodad\n"
                  "link set eth0 up\n"
                  "route add {} dev eth0\n"
                  "route add default via {} dev eth0\n"
                  "route add {} dev eth0\n"
                  "route add ::/0 via {} dev eth0\n",
                  pod_address4(number, slot), pod_address6(number, slot), gateway4(number),
                  gateway4(number), gateway6(number), gateway6(number)),
      netns_path(netns));
}

Result<void> Network::remove_pod(std::string_view node, std::string_view pod, int slot) {
  // The interface pair goes with either end; deleting the node's end does not wait for processes
  // that still hold the pod's namespace open.
  auto gone = run({.argv = {"ip", "link", "del", pod_port(slot)},
                   .netns = netns_path(layout_.netns(node)),
                   .may_fail = true});
  KS_TRY(gone);
  return ip_batch(fmt::format("netns del {}\n", layout_.netns(node, pod)));
}

std::string service_rules(const std::vector<VirtualService>& services) {
  std::string chain, hairpins4, hairpins6;
  for (const VirtualService& service : services) {
    if (service.endpoints.empty()) continue;
    chain += nft_service(service);
    for (const Endpoint& endpoint : service.endpoints) {
      std::string& hairpins = endpoint.address.is_v4() ? hairpins4 : hairpins6;
      std::string pair = fmt::format("{0} . {0}", nft_address(endpoint));
      if (hairpins.find(pair + ",") == std::string::npos) hairpins += pair + ", ";
    }
  }
  std::string masquerade;
  if (!hairpins4.empty())
    masquerade += fmt::format("    ip saddr . ip daddr {{ {} }} masquerade\n", hairpins4);
  if (!hairpins6.empty())
    masquerade += fmt::format("    ip6 saddr . ip6 daddr {{ {} }} masquerade\n", hairpins6);
  return fmt::format(
      "table inet keelson_lab\n"
      "delete table inet keelson_lab\n"
      "table inet keelson_lab {{\n"
      "  chain services {{\n{}  }}\n"
      "  chain from_pods {{\n    type nat hook prerouting priority -100;\n    jump services\n  }}\n"
      "  chain from_node {{\n    type nat hook output priority -100;\n    jump services\n  }}\n"
      "  chain to_itself {{\n    type nat hook postrouting priority 100;\n{}  }}\n"
      "}}\n",
      chain, masquerade);
}

Result<void> Network::set_services(const std::vector<VirtualService>& services) {
  std::string rules = service_rules(services);
  if (rules == rules_) return {};
  for (const std::string& node : layout_.nodes)
    KS_TRY(run(
        {.argv = {"nft", "-f", "-"}, .input = rules, .netns = netns_path(layout_.netns(node))}));
  rules_ = std::move(rules);
  return {};
}

}  // namespace keelson::lab
