#include "compile/service_table.h"

#include <algorithm>

namespace keelson::compile {
namespace {

std::string text_of(const ServiceName& name) {
  return name.first + "/" + name.second;
}

// The kernel captures what a route concerns, and nothing else.
RowBytes with_route_flag(const RowKey& key, const RowBytes& value,
                         const ServiceTable::RoutedPorts& routed) {
  if (key.map != MapId::kService || !routed.contains(value_of<ks_service_key>(key.key).port))
    return value;
  auto row = value_of<ks_service>(value);
  row.flags |= KS_SERVICE_L7;
  return bytes_of(row);
}

bool is_of(const ServiceUnit& unit, const RowBytes& service_row) {
  return std::ranges::find(unit.ids, value_of<ks_service>(service_row).id) != unit.ids.end();
}

model::Finding taken_finding(const model::Service& service, const RowKey& key,
                             const std::string& owner) {
  const auto taken = value_of<ks_service_key>(key.key);
  const Endpoint where{IpAddress(taken.addr), taken.port};
  return {model::Severity::kWarning,
          Reason::address_conflict,
          service.meta.where,
          service.meta.key.to_string(),
          where.to_string() + " already belongs to Service " + owner,
          "give one of the two another clusterIP or port"};
}

void add_to_proxy(const ServiceName& name, const ServiceTable::RoutedPorts& routed,
                  const ServiceUnit& unit, config::RuntimeConfig& proxy) {
  for (const ServicePortUnit& port : unit.ports) {
    const auto routes = routed.find(port.port);
    const auto service = std::make_shared<const config::Service>(
        config::Service{name.first, name.second, port.port, port.ids,
                        routes == routed.end() ? nullptr : routes->second});
    for (size_t family = 0; family < port.ids.size(); ++family) {
      if (port.ids[family] == 0) continue;
      proxy.services.emplace(port.ids[family], service);
      proxy.endpoints.emplace(port.ids[family], port.endpoints[family]);
    }
  }
}

}  // namespace

ServiceUnit ServiceTable::Entry::compile() const {
  if (service != nullptr) return compile_service(*service, slices);
  ServiceUnit unit;
  for (const auto& slice : slices)
    unit.findings.push_back({model::Severity::kInfo, Reason::dangling_reference, slice->meta.where,
                             slice->meta.key.to_string(),
                             "there is no Service " + slice->service_name, ""});
  return unit;
}

ServiceTable::DirtyNames ServiceTable::dirty_names(const model::Snapshot& before,
                                                   const model::Snapshot& now) {
  DirtyNames dirty;
  model::ObjectMap<model::Service>::differences(before.services, now.services,
                                                [&](const auto& key, const auto*, const auto* is) {
                                                  Dirty& service = dirty[{key.ns, key.name}];
                                                  service.is_service_changed = true;
                                                  service.service = is == nullptr ? nullptr : *is;
                                                });
  model::ObjectMap<model::EndpointSlice>::differences(
      before.endpoint_slices, now.endpoint_slices,
      [&](const auto& key, const auto* was, const auto* is) {
        const auto note = [&](const auto* slice, auto value) {
          if (slice != nullptr && !(*slice)->service_name.empty())
            dirty[{key.ns, (*slice)->service_name}].slices.emplace_back(key, std::move(value));
        };
        note(was, nullptr);
        note(is, is == nullptr ? nullptr : *is);
      });
  return dirty;
}

void ServiceTable::change(Slices& slices, const SliceChange& change) {
  const auto& [key, slice] = change;
  const auto at = std::ranges::lower_bound(
      slices, key, {}, [](const auto& each) -> const auto& { return each->meta.key; });
  const bool is_there = at != slices.end() && (*at)->meta.key == key;
  if (slice == nullptr && is_there)
    slices.erase(at);
  else if (slice != nullptr)
    slices.insert(at, slice);  // what was there went before
}

size_t ServiceTable::update(const model::Snapshot& before, const model::Snapshot& now,
                            const std::set<ServiceName>& rerouted,
                            const std::function<RoutedPorts(const ServiceName&)>& routed_ports,
                            Target target) {
  DirtyNames dirty = dirty_names(before, now);
  for (const ServiceName& name : rerouted) dirty.try_emplace(name);
  std::set<ServiceName> rivals;
  Units units;
  for (const auto& [name, changed] : dirty) {
    Entry& entry = entries_[name];
    const ServiceUnit old = entry.compile();
    note_rivals(old, rivals);
    take_out(entries_.find(name)->first, old, target);
    if (changed.is_service_changed) entry.service = changed.service;
    for (const SliceChange& slice : changed.slices) change(entry.slices, slice);
    entry.routed = routed_ports(name);
    note_rivals(units[name] = entry.compile(), rivals);
  }
  for (const ServiceName& name : rivals) {
    if (dirty.contains(name)) continue;
    const auto entry = entries_.find(name);
    ServiceUnit unit = entry->second.compile();
    take_out(entry->first, unit, target);
    units[name] = std::move(unit);
  }
  for (const auto& [name, unit] : units) {
    const auto entry = entries_.find(name);
    put_in(entry->first, entry->second, unit, target);
    if (entry->second.service == nullptr && entry->second.slices.empty()) entries_.erase(entry);
  }
  return static_cast<size_t>(std::ranges::count_if(dirty, [&](const auto& each) {
    return now.services.contains({model::Kind::kService, each.first.first, each.first.second});
  }));
}

void ServiceTable::note_rivals(const ServiceUnit& unit, std::set<ServiceName>& rivals) const {
  const ServiceName nobody;
  for (const auto& [key, value] : unit.rows) {
    if (key.map != MapId::kService) continue;
    for (auto at = claims_.lower_bound({key, &nobody}); at != claims_.end() && at->row == key; ++at)
      rivals.insert(*at->by);
  }
}

void ServiceTable::take_out(const ServiceName& name, const ServiceUnit& unit, Target target) {
  for (const auto& [key, value] : unit.rows) {
    if (key.map == MapId::kService) {
      claims_.erase({key, &name});
      const auto row = target.rows.find(key);
      if (row == target.rows.end() || !is_of(unit, row->second)) continue;
    }
    target.rows.erase(key);
  }
  for (const uint64_t id : unit.ids) {
    if (const auto at = names_.find(id); at != names_.end() && at->second == text_of(name))
      names_.erase(id);
    target.proxy.services.erase(id);
    target.proxy.endpoints.erase(id);
  }
  findings_.erase(name);
}

void ServiceTable::put_in(const ServiceName& name, const Entry& entry, const ServiceUnit& unit,
                          Target target) {
  std::vector<model::Finding> findings = unit.findings;
  for (const uint64_t id : unit.ids) add_name(names_, id, text_of(name), findings);
  for (const auto& [key, unrouted] : unit.rows) {
    if (key.map == MapId::kService) claims_.insert({key, &name});
    const RowBytes value = with_route_flag(key, unrouted, entry.routed);
    const auto [at, added] = target.rows.emplace(key, value);
    if (added || at->second == value || key.map != MapId::kService) continue;
    const auto owner = names_.find(value_of<ks_service>(at->second).id);
    findings.push_back(
        taken_finding(*entry.service, key, owner == names_.end() ? "" : owner->second));
  }
  add_to_proxy(name, entry.routed, unit, target.proxy);
  if (!findings.empty()) findings_[name] = std::move(findings);
}

}  // namespace keelson::compile
