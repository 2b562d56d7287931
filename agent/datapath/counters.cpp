#include "datapath/counters.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <numeric>

#include "datapath/map_reading.h"

namespace keelson::datapath {
namespace {
constexpr const char* kOccupancyMaps[] = {
    "ks_pod",      "ks_port",       "ks_address",    "ks_service", "ks_backend", "ks_set",
    "ks_class_id", "ks_class_port", "ks_class_addr", "ks_policy",  "ks_tuple",
};
}

Result<Counters> Counters::open(const Pins& pins) {
  KS_ASSIGN(Fd fd, pins.open_map("ks_counters"));
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return fail_errno(Reason::io_error, -cpus, "number of CPUs");
  Counters counters(std::move(fd), cpus);
  for (const char* name : kOccupancyMaps) {
    Map map;
    map.name = name;
    KS_ASSIGN(map.fd, pins.open_map(name));
    bpf_map_info info{};
    __u32 length = sizeof info;
    if (bpf_obj_get_info_by_fd(map.fd.get(), &info, &length) != 0)
      return fail_errno(Reason::io_error, errno, name);
    map.key_bytes = info.key_size;
    map.value_bytes = info.value_size;
    map.entries_max = info.max_entries;
    counters.maps_.push_back(std::move(map));
  }
  return counters;
}

Result<uint64_t> Counters::read(Reason reason) const {
  std::vector<uint64_t> per_cpu(static_cast<size_t>(cpus_));
  const auto index = static_cast<__u32>(reason);
  if (bpf_map_lookup_elem(counters_.get(), &index, per_cpu.data()) != 0)
    return fail_errno(Reason::io_error, errno, "ks_counters");
  return std::accumulate(per_cpu.begin(), per_cpu.end(), uint64_t{0});
}

Result<std::vector<ReasonCount>> Counters::read() const {
  std::vector<ReasonCount> counts;
  for (const ReasonInfo& info : kReasons) {
    KS_ASSIGN(const uint64_t count, read(info.reason));
    if (count != 0) counts.push_back({info.reason, count});
  }
  return counts;
}

Result<std::vector<MapOccupancy>> Counters::occupancy() const {
  std::vector<MapOccupancy> found;
  for (const Map& map : maps_) {
    MapOccupancy row{map.name, 0, map.entries_max};
    KS_TRY(for_each_row(map.fd, map.key_bytes, map.value_bytes,
                        [&row](std::string_view, std::string_view) { ++row.entries; }));
    found.push_back(std::move(row));
  }
  return found;
}

}  // namespace keelson::datapath
