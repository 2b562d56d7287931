#include "rollout/steps.h"

#include <array>
#include <map>

#include "rollout/pod_change.h"

namespace keelson::rollout {
namespace {

using compile::bytes_of;
using compile::MapId;
using compile::RowBytes;
using compile::RowKey;
using compile::Rows;
using compile::value_of;

// Pointers into the two plans' rows.
struct Change {
  const RowKey* key = nullptr;
  const RowBytes* now = nullptr;   // null: not there
  const RowBytes* next = nullptr;  // null: to be erased
};
using Changes = std::array<std::vector<Change>, compile::kMapIds>;

Changes diff(const Rows& applied, const Rows& desired) {
  Changes changes;
  Rows::differences(applied, desired,
                    [&](const RowKey& key, const RowBytes* now, const RowBytes* next) {
                      changes[static_cast<size_t>(key.map)].push_back({&key, now, next});
                    });
  return changes;
}

uint64_t set_of(const RowKey& row) {
  if (row.map != MapId::kClassAddr) return value_of<uint64_t>(row.key);
  const auto key = value_of<ks_class_addr_key>(row.key);
  return uint64_t{key.set_high} << 32 | key.set_low;
}

RowKey set_row(uint64_t set) {
  return {MapId::kSet, bytes_of(set)};
}

bool is_ready(const RowBytes& address) {
  return (value_of<ks_address>(address).flags & KS_ADDRESS_READY) != 0;
}
bool is_local(const RowBytes& address) {
  return (value_of<ks_address>(address).flags & KS_ADDRESS_LOCAL) != 0;
}

class StepMaker {
 public:
  StepMaker(const Rows& applied, const Rows& desired)
      : applied_(applied), desired_(desired), changes_(diff(applied, desired)) {}

  Steps make() {
    complete_sets();
    tighten_ports();
    tighten_pods();
    write_addresses(steps_.tighten, Turn::kStopBeingReady);
    steer_services();
    write_addresses(steps_.steer, Turn::kRelaxSource);
    steer_pods();
    write_addresses(steps_.steer, Turn::kJoin);
    steer_interfaces();
    relax_interfaces();
    write_addresses(steps_.relax, Turn::kLeave);
    erase_leaving_pods();
    write_addresses(steps_.relax, Turn::kTightenSource);
    relax_ports_that_become_strict();
    relax_pods();
    relax_ports();
    retire();
    steps_.needs_proxy = proxy_concerned_ || !steps_.relax.empty();
    return std::move(steps_);
  }

 private:
  const std::vector<Change>& changes(MapId map) const { return changes_[static_cast<size_t>(map)]; }
  static const RowBytes* find(const Rows& rows, const RowKey& key) {
    const auto found = rows.find(key);
    return found == rows.end() ? nullptr : &found->second;
  }
  // The row's value after the writes planned so far.
  const RowBytes* current(const RowKey& key) const {
    const auto planned = planned_.find(key);
    if (planned == planned_.end()) return find(applied_, key);
    return planned->second ? &*planned->second : nullptr;
  }
  void put(Writes& phase, const RowKey& key, const RowBytes& value) {
    const RowBytes* now = current(key);
    if (now != nullptr && *now == value) return;
    planned_[key] = value;
    phase.push_back({key, value});
  }
  void erase(Writes& phase, const RowKey& key) {
    if (current(key) == nullptr) return;
    planned_[key] = std::nullopt;
    phase.push_back({key, std::nullopt});
  }

  // Of a row that is written once in all: there may be a hundred thousand of them.
  static void write(Writes& phase, const Change& change) {
    phase.push_back({*change.key, change.next == nullptr ? std::nullopt
                                                         : std::optional<RowBytes>(*change.next)});
  }

  // Rows first, the head last. A set that is complete but different (never ours: ids are hashes of
  // the content) loses its head first and denies meanwhile.
  void complete_sets() {
    std::map<uint64_t, std::vector<Change>> by_set;
    for (const MapId map : kSetRowMaps)
      for (const Change& change : changes(map)) by_set[set_of(*change.key)].push_back(change);
    for (const Change& change : changes(MapId::kSet)) by_set[set_of(*change.key)];
    for (const auto& [set, rows] : by_set) {
      const RowBytes* head = find(desired_, set_row(set));
      if (head == nullptr) continue;
      proxy_concerned_ = true;
      erase(steps_.tighten, set_row(set));
      for (const Change& row : rows) {
        if (row.next != nullptr)
          put(steps_.tighten, *row.key, *row.next);
        else
          erase(steps_.tighten, *row.key);
      }
      put(steps_.tighten, set_row(set), *head);
    }
  }

  struct PortChange {
    const Change& change;
    PortView now, next;
    uint32_t tightened_pod_flags = 0;
  };
  // Nothing for ports of pods that join or leave.
  std::optional<PortChange> port_of_staying_pod(const Change& change) const {
    const RowKey pod_key{MapId::kPod, bytes_of(value_of<ks_port_key>(change.key->key).pod)};
    const RowBytes* now = find(applied_, pod_key);
    const RowBytes* next = find(desired_, pod_key);
    if (now == nullptr || next == nullptr) return std::nullopt;
    const auto pod_now = value_of<ks_pod>(*now);
    const auto pod_next = value_of<ks_pod>(*next);
    return PortChange{change,
                      {pod_now.flags, port_flags(change.now)},
                      {pod_next.flags, port_flags(change.next)},
                      tightened_pod(pod_now, pod_next).flags};
  }
  static uint32_t port_flags(const RowBytes* row) {
    return row == nullptr ? 0 : value_of<ks_port>(*row).flags;
  }
  // No row says the same as a row without flags.
  void put_port_flags(Writes& phase, const RowKey& key, uint32_t flags) {
    if (flags == 0 && current(key) == nullptr) return;
    put(phase, key, bytes_of(ks_port{flags}));
  }

  // Before the pods: a port that stays open must say so before its pod turns strict.
  void tighten_ports() {
    for (const Change& change : changes(MapId::kPort))
      if (const auto port = port_of_staying_pod(change))
        put_port_flags(steps_.tighten, *change.key,
                       tightened_port(port->now, port->next, port->tightened_pod_flags));
  }
  void tighten_pods() {
    for (const Change& change : changes(MapId::kPod))
      if (change.now != nullptr && change.next != nullptr)
        put(steps_.tighten, *change.key,
            bytes_of(tightened_pod(value_of<ks_pod>(*change.now), value_of<ks_pod>(*change.next))));
  }

  void steer_services() {
    for (const Change& change : changes(MapId::kBackend))
      if (change.next != nullptr) write(steps_.steer, change);
    for (const Change& change : changes(MapId::kService)) {
      if (change.next == nullptr) continue;
      if ((value_of<ks_service>(*change.next).flags & KS_SERVICE_L7) != 0) proxy_concerned_ = true;
      write(steps_.steer, change);
    }
  }

  void steer_pods() {
    const size_t before = steps_.steer.size();
    for (const Change& change : changes(MapId::kPort)) {
      if (change.next != nullptr && !port_of_staying_pod(change))
        put(steps_.steer, *change.key, *change.next);
      else if (const uint32_t excluded = port_flags(change.next) & KS_PORT_EXCLUDED_OUT;
               excluded == 0 && port_of_staying_pod(change))
        put_port_flags(steps_.steer, *change.key,
                       port_flags(current(*change.key)) & ~uint32_t{KS_PORT_EXCLUDED_OUT});
    }
    for (const Change& change : changes(MapId::kPod)) {
      if (change.next == nullptr) continue;
      if (change.now == nullptr)
        put(steps_.steer, *change.key, *change.next);
      else
        put(steps_.steer, *change.key,
            bytes_of(steered_pod(value_of<ks_pod>(*current(*change.key)),
                                 value_of<ks_pod>(*change.next))));
    }
    if (steps_.steer.size() != before) proxy_concerned_ = true;
  }

  enum class Turn { kStopBeingReady, kRelaxSource, kJoin, kLeave, kTightenSource };
  // Where in the order an address changes; the header says why.
  static Turn turn_of(const Change& address) {
    if (address.next != nullptr && is_local(*address.next)) return Turn::kJoin;
    if (address.now != nullptr && is_local(*address.now)) return Turn::kLeave;
    if (address.next == nullptr) return Turn::kRelaxSource;
    const bool stops_being_ready =
        address.now != nullptr && is_ready(*address.now) && !is_ready(*address.next);
    return stops_being_ready ? Turn::kStopBeingReady : Turn::kTightenSource;
  }
  void write_addresses(Writes& phase, Turn turn) {
    const size_t before = phase.size();
    for (const Change& change : changes(MapId::kAddress))
      if (turn_of(change) == turn) write(phase, change);
    if (phase.size() != before) proxy_concerned_ = true;
  }
  void steer_interfaces() {
    for (const Change& change : changes(MapId::kInterface)) {
      if (change.next == nullptr) continue;
      put(steps_.steer, *change.key, *change.next);
      proxy_concerned_ = true;
    }
  }

  void relax_ports_that_become_strict() {
    for (const Change& change : changes(MapId::kPort))
      if ((port_flags(change.next) & KS_PORT_STRICT) != 0 && port_of_staying_pod(change))
        put(steps_.relax, *change.key, *change.next);
  }
  void relax_interfaces() {
    for (const Change& change : changes(MapId::kInterface))
      if (change.next == nullptr) erase(steps_.relax, *change.key);
  }
  void erase_leaving_pods() {
    for (const Change& change : changes(MapId::kPod))
      if (change.next == nullptr) erase(steps_.relax, *change.key);
  }
  void relax_pods() {
    for (const Change& change : changes(MapId::kPod))
      if (change.next != nullptr) put(steps_.relax, *change.key, *change.next);
  }
  void relax_ports() {
    for (const Change& change : changes(MapId::kPort)) {
      if (!port_of_staying_pod(change)) continue;
      if (change.next != nullptr)
        put(steps_.relax, *change.key, *change.next);
      else
        erase(steps_.relax, *change.key);
    }
  }

  void retire() {
    for (const MapId map : {MapId::kService, MapId::kBackend})
      for (const Change& change : changes(map))
        if (change.next == nullptr) write(steps_.retire, change);
    for (const MapId map : {MapId::kPort, MapId::kSet})
      for (const Change& change : changes(map))
        if (change.next == nullptr) erase(steps_.retire, *change.key);
    for (const MapId map : kSetRowMaps)
      for (const Change& change : changes(map))
        if (change.next == nullptr) erase(steps_.retire, *change.key);
  }

  static constexpr MapId kSetRowMaps[] = {MapId::kPolicy, MapId::kClassId, MapId::kClassPort,
                                          MapId::kClassAddr};
  const Rows& applied_;
  const Rows& desired_;
  Changes changes_;
  std::map<RowKey, std::optional<RowBytes>> planned_;
  Steps steps_;
  bool proxy_concerned_ = false;
};

}  // namespace

Steps make_steps(const compile::Rows& applied, const compile::Rows& desired) {
  return StepMaker(applied, desired).make();
}

}  // namespace keelson::rollout
