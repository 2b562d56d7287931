// ServiceTable: all Services with their EndpointSlices as rows of ks_service and ks_backend, as
// names, and as what the proxy balances over; kept up to date from one snapshot to the next. A
// Service is compiled again when it, one of its slices or its routes changed, and so is one that
// wants an address and port of such a Service. Owned by one Compiler.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "compile/route.h"
#include "compile/service.h"
#include "config/runtime_config.h"
#include "model/snapshot.h"

namespace keelson::compile {

class ServiceTable {
 public:
  using RoutedPorts = decltype(RouteUnit::ports);
  struct Target {
    Rows& rows;
    config::RuntimeConfig& proxy;
  };

  // `before` is what the last call got as `now`. `rerouted`: whose routed ports are others now.
  // Returns how many Services were compiled.
  size_t update(const model::Snapshot& before, const model::Snapshot& now,
                const std::set<ServiceName>& rerouted,
                const std::function<RoutedPorts(const ServiceName&)>& routed_ports, Target target);

  const SharedMap<uint64_t, std::string>& names() const noexcept { return names_; }
  // By Service, or by the name of one that does not exist.
  const std::map<ServiceName, std::vector<model::Finding>>& findings() const noexcept {
    return findings_;
  }

 private:
  struct Entry {
    std::shared_ptr<const model::Service> service;  // null: only slices name it
    Slices slices;                                  // by key
    RoutedPorts routed;
    ServiceUnit compile() const;
  };
  using Entries = std::map<ServiceName, Entry>;
  using SliceChange = std::pair<model::ObjectKey, std::shared_ptr<const model::EndpointSlice>>;
  struct Dirty {
    bool is_service_changed = false;
    std::shared_ptr<const model::Service> service;
    std::vector<SliceChange> slices;  // null: gone
  };
  using DirtyNames = std::map<ServiceName, Dirty>;
  using Units = std::map<ServiceName, ServiceUnit>;  // to be put in, in order
  // Who wants an address and port. Of several the first by name has it.
  struct Claim {
    RowKey row;
    const ServiceName* by;  // in entries_
    friend bool operator<(const Claim& a, const Claim& b) {
      const auto order = a.row <=> b.row;
      return order != 0 ? order < 0 : *a.by < *b.by;
    }
  };

  static DirtyNames dirty_names(const model::Snapshot& before, const model::Snapshot& now);
  static void change(Slices& slices, const SliceChange& change);
  void note_rivals(const ServiceUnit& unit, std::set<ServiceName>& rivals) const;
  void take_out(const ServiceName& name, const ServiceUnit& unit, Target target);
  void put_in(const ServiceName& name, const Entry& entry, const ServiceUnit& unit, Target target);

  Entries entries_;
  std::set<Claim> claims_;
  SharedMap<uint64_t, std::string> names_;
  std::map<ServiceName, std::vector<model::Finding>> findings_;
};

}  // namespace keelson::compile
