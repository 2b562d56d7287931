#include "cutting.h"

#include <spdlog/spdlog.h>

#include <set>

#include "compile/decide.h"

namespace keelson {
namespace {

std::optional<ks_address> address_row(const compile::Rows& rows, const IpAddress& address) {
  const auto found = rows.find({compile::MapId::kAddress, compile::bytes_of(address.raw())});
  if (found == rows.end()) return std::nullopt;
  return compile::value_of<ks_address>(found->second);
}

uint32_t port_flags(const compile::Rows& rows, uint64_t netns_cookie, uint16_t port) {
  const ks_port_key key{netns_cookie, port, 0, 0};
  const auto found = rows.find({compile::MapId::kPort, compile::bytes_of(key)});
  return found == rows.end() ? 0 : compile::value_of<ks_port>(found->second).flags;
}

bool is_strict(const compile::Rows& rows, const ks_pod& pod, uint64_t netns_cookie, uint16_t port) {
  const uint32_t flags = port_flags(rows, netns_cookie, port);
  if ((flags & KS_PORT_STRICT) != 0) return true;
  if ((flags & KS_PORT_PERMISSIVE) != 0) return false;
  return (pod.flags & KS_POD_STRICT) != 0;
}

}  // namespace

bool is_refused_now(const compile::Rows& rows, const ks_pod& pod, uint64_t netns_cookie,
                    const datapath::Connection& connection) {
  if (!connection.accepted || connection.remote.address.is_loopback()) return false;
  // HBONE: whoever is at its other end has proven an identity to the proxy, which judges each
  // tunnel anew by it.
  if (connection.local.port == KS_HBONE_PORT) return false;
  const auto owner = address_row(rows, connection.remote.address);
  if (owner && owner->pod == netns_cookie) return false;  // the pod itself, or the proxy for it
  const auto& attested = connection.attestation;
  if (attested && attested->kind != KS_KIND_DIRECT && attested->kind != KS_KIND_OUTSIDE)
    return false;

  const bool direct = attested && attested->kind == KS_KIND_DIRECT;
  if (direct && (pod.flags & KS_POD_L7) != 0) return true;  // it goes through the proxy from now on
  if (!direct && is_strict(rows, pod, netns_cookie, connection.local.port)) return true;
  const compile::PolicyQuestion question{{pod.policy_set[0], pod.policy_set[1]},
                                         direct ? attested->source_identity : 0,
                                         owner ? owner->identity : 0,
                                         connection.remote.address,
                                         connection.local.port};
  return compile::decide(rows, question).verdict != KS_ALLOW;
}

Cutting::Judgement Cutting::judgement_of(const ks_pod& pod) noexcept {
  return {{pod.policy_set[0], pod.policy_set[1]}, pod.flags & (KS_POD_STRICT | KS_POD_L7)};
}

void Cutting::recover(const compile::Rows& rows) {
  for (const auto& [row, value] : rows)
    if (row.map == compile::MapId::kPod)
      judged_[compile::value_of<uint64_t>(row.key)] =
          judgement_of(compile::value_of<ks_pod>(value));
}

uint64_t Cutting::run(const compile::Rows& rows, const compile::NodeFacts& facts,
                      const std::function<const Fd*(const std::string& uid)>& sock_diag) {
  uint64_t cut = 0;
  std::set<uint64_t> present;
  for (const compile::LocalPod& local : facts.pods) {
    present.insert(local.netns_cookie);
    const auto row = rows.find({compile::MapId::kPod, compile::bytes_of(local.netns_cookie)});
    if (row == rows.end()) continue;
    const auto pod = compile::value_of<ks_pod>(row->second);
    const Judgement now = judgement_of(pod);
    const auto [before, is_new] = judged_.try_emplace(local.netns_cookie, now);
    const Fd* diag = sock_diag(local.uid);
    if (is_new || before->second == now || diag == nullptr) continue;
    const auto connections = datapath::list_connections(*diag, socket_map_);
    const auto ended =
        !connections ? Result<uint32_t>(Failure(connections.error()))
                     : datapath::cut_connections(*diag, *connections, [&](const auto& connection) {
                         return is_refused_now(rows, pod, local.netns_cookie, connection);
                       });
    if (!ended) {
      spdlog::error("component=cutting pod={} msg=\"{}\"", local.uid, ended.error().message());
      continue;
    }
    before->second = now;
    cut += *ended;
  }
  std::erase_if(judged_, [&](const auto& entry) { return !present.contains(entry.first); });
  return cut;
}

}  // namespace keelson
