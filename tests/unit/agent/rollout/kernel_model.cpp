#include "kernel_model.h"

#include <optional>

#include "compile/decide.h"

namespace keelson::rollout {

using compile::bytes_of;
using compile::MapId;
using compile::Rows;
using compile::value_of;

namespace {

template <class Value, class Key>
std::optional<Value> row(const Rows& rows, MapId map, const Key& key) {
  const auto found = rows.find({map, bytes_of(key)});
  if (found == rows.end()) return std::nullopt;
  return value_of<Value>(found->second);
}

bool refuses_plaintext(const Rows& rows, const ks_pod& pod, const Connection& connection) {
  const auto port = row<ks_port>(rows, MapId::kPort,
                                 ks_port_key{connection.destination_pod, connection.port, 0, 0});
  if (port && (port->flags & KS_PORT_STRICT) != 0) return true;
  if (port && (port->flags & KS_PORT_PERMISSIVE) != 0) return false;
  return (pod.flags & KS_POD_STRICT) != 0;
}

bool source_check_passes(const Rows& rows, const Connection& connection) {
  for (auto at = rows.lower_bound({MapId::kInterface, ""});
       at != rows.end() && at->first.map == MapId::kInterface; ++at) {
    if (value_of<ks_interface>(at->second).pod != connection.source_pod) continue;
    const auto source = row<ks_address>(rows, MapId::kAddress, connection.source.raw());
    return source && source->pod == connection.source_pod &&
           (source->flags & (KS_ADDRESS_LOCAL | KS_ADDRESS_OPEN)) != 0;
  }
  return true;
}

}  // namespace

bool KernelModel::set_allows(const Rows& rows, uint64_t set, const Connection& connection,
                             uint64_t proven, uint64_t claimed) {
  if (set == 0) return true;
  if (!rows.contains({MapId::kSet, bytes_of(set)})) return false;
  const auto [at, added] =
      verdicts_.try_emplace({set, proven, claimed, connection.source, connection.port}, false);
  if (added)
    at->second =
        compile::decide(rows, {{set, 0}, proven, claimed, connection.source, connection.port})
            .verdict == KS_ALLOW;
  return at->second;
}

bool KernelModel::policy_allows(const Rows& rows, const ks_pod& pod, const Connection& connection,
                                uint64_t proven, uint64_t claimed) {
  return set_allows(rows, pod.policy_set[0], connection, proven, claimed) &&
         set_allows(rows, pod.policy_set[1], connection, proven, claimed);
}

// The receiver's sk_lookup. `attested`: the row of the pod that the kernel vouches for.
bool KernelModel::inbound(const Rows& rows, const Connection& connection, const ks_pod* attested) {
  const auto own = row<ks_address>(rows, MapId::kAddress, connection.destination.raw());
  if (!own || (own->flags & (KS_ADDRESS_LOCAL | KS_ADDRESS_OPEN)) == 0) return false;
  const auto pod = row<ks_pod>(rows, MapId::kPod, own->pod);
  if ((own->flags & KS_ADDRESS_OPEN) != 0 && (!pod || attested == nullptr)) return true;
  if (!pod) return false;
  const auto source = row<ks_address>(rows, MapId::kAddress, connection.source.raw());
  const uint64_t claimed = source ? source->identity : 0;
  if (attested != nullptr)
    return policy_allows(rows, *pod, connection, attested->identity, claimed);
  if (source && (source->flags & (KS_ADDRESS_LOCAL | KS_ADDRESS_READY)) != 0) return false;
  if (refuses_plaintext(rows, *pod, connection)) return false;
  return policy_allows(rows, *pod, connection, 0, claimed);
}

bool KernelModel::is_allowed(const Rows& rows, const Connection& connection) {
  const bool source_checked = hooked.contains(connection.source_pod);
  if (source_checked && !source_check_passes(rows, connection)) return false;
  const auto dialling = row<ks_pod>(rows, MapId::kPod, connection.source_pod);
  const auto target = row<ks_address>(rows, MapId::kAddress, connection.destination.raw());
  const bool direct = dialling && target && (target->flags & KS_ADDRESS_LOCAL) != 0;
  if (direct && !row<ks_pod>(rows, MapId::kPod, target->pod)) return false;  // refused in connect
  if (!hooked.contains(connection.destination_pod)) return true;
  return inbound(rows, connection, direct ? &*dialling : nullptr);
}

std::string broken_reference(const Rows& rows) {
  for (const auto& [key, value] : rows) {
    if (key.map == MapId::kService) {
      const auto service = value_of<ks_service>(value);
      for (uint32_t i = 0; i < service.backend_count; i++)
        if (!rows.contains({MapId::kBackend, bytes_of(ks_backend_key{service.id, i, 0})}))
          return "a Service without its backend";
    } else if (key.map == MapId::kPod) {
      const auto pod = value_of<ks_pod>(value);
      for (const uint64_t set : pod.policy_set)
        if (set != 0 && !rows.contains({MapId::kSet, bytes_of(set)}))
          return "a pod without its set";
    } else if (key.map == MapId::kInterface) {
      if (!rows.contains({MapId::kPod, value})) return "a source check for no pod";
    } else if (key.map == MapId::kAddress) {
      const auto address = value_of<ks_address>(value);
      if ((address.flags & KS_ADDRESS_LOCAL) != 0 &&
          !rows.contains({MapId::kPod, bytes_of(address.pod)}))
        return "an address of no pod";
    }
  }
  return "";
}

uint64_t set_of(const compile::RowKey& row) {
  if (row.map != MapId::kClassAddr) return value_of<uint64_t>(row.key);
  const auto lpm = value_of<ks_class_addr_key>(row.key);
  return uint64_t{lpm.set_high} << 32 | lpm.set_low;
}

bool has_incomplete_set(const Rows& rows, const Rows& complete) {
  for (auto at = complete.lower_bound({MapId::kClassId, ""}); at != complete.end(); ++at) {
    if (!rows.contains({MapId::kSet, bytes_of(set_of(at->first))})) continue;
    const auto found = rows.find(at->first);
    if (found == rows.end() || found->second != at->second) return true;
  }
  return false;
}

}  // namespace keelson::rollout
