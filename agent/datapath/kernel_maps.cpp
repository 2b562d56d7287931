#include "datapath/kernel_maps.h"

#include <bpf/bpf.h>
#include <sys/random.h>

#include <cerrno>
#include <string>

#include "datapath/map_reading.h"

namespace keelson::datapath {
namespace {

struct MapShape {
  const char* name;
  size_t key_bytes;
  size_t value_bytes;
};

// By MapId.
constexpr MapShape kShapes[compile::kMapIds] = {
    {"ks_pod", sizeof(__u64), sizeof(ks_pod)},
    {"ks_port", sizeof(ks_port_key), sizeof(ks_port)},
    {"ks_address", sizeof(ks_addr), sizeof(ks_address)},
    {"ks_interface", sizeof(__u32), sizeof(ks_interface)},
    {"ks_service", sizeof(ks_service_key), sizeof(ks_service)},
    {"ks_backend", sizeof(ks_backend_key), sizeof(ks_backend)},
    {"ks_set", sizeof(__u64), sizeof(ks_set)},
    {"ks_class_id", sizeof(ks_class_id_key), sizeof(__u32)},
    {"ks_class_port", sizeof(ks_class_port_key), sizeof(__u32)},
    {"ks_class_addr", sizeof(ks_class_addr_key), sizeof(__u32)},
    {"ks_policy", sizeof(ks_policy_key), sizeof(ks_policy)},
};
static_assert(static_cast<int>(compile::MapId::kPolicy) == compile::kMapIds - 1);

const MapShape& shape_of(compile::MapId map) {
  return kShapes[static_cast<size_t>(map)];
}

constexpr __u32 kNodeRow = 0;

}  // namespace

Result<KernelMaps> KernelMaps::open(const Pins& pins) {
  KS_ASSIGN(Fd node, pins.open_map("ks_node"));
  KernelMaps maps(std::move(node));
  for (size_t i = 0; i < compile::kMapIds; ++i) {
    const MapShape& shape = kShapes[i];
    KS_ASSIGN(maps.maps_[i], pins.open_map(shape.name));
    bpf_map_info info{};
    __u32 length = sizeof info;
    if (bpf_obj_get_info_by_fd(maps.maps_[i].get(), &info, &length) != 0)
      return fail_errno(Reason::bpf_load_failed, errno, shape.name);
    if (info.key_size != shape.key_bytes || info.value_size != shape.value_bytes)
      return fail(Reason::bpf_load_failed, ErrorSource::kKernel,
                  std::string(shape.name) +
                      " is pinned with another layout: drain the node and "
                      "remove " +
                      pins.folder());
  }
  return maps;
}

Result<uint64_t> KernelMaps::read_epoch() const {
  ks_node row{};
  if (bpf_map_lookup_elem(node_.get(), &kNodeRow, &row) != 0)
    return fail_errno(Reason::io_error, errno, "ks_node");
  return row.epoch;
}

Result<void> KernelMaps::become_owner() {
  KS_ASSIGN(const uint64_t before, read_epoch());
  // Count in the upper half, chance in the lower: two agents that start at the same moment never
  // take the same epoch, and the one that wrote first is fenced by the other.
  uint32_t chance = 0;
  if (::getrandom(&chance, sizeof chance, 0) != sizeof chance)
    return fail_errno(Reason::io_error, errno, "getrandom");
  const ks_node row{(((before >> 32) + 1) << 32) | chance};
  if (bpf_map_update_elem(node_.get(), &kNodeRow, &row, BPF_ANY) != 0)
    return fail_errno(Reason::map_write_failed, errno, "ks_node");
  epoch_ = row.epoch;
  return check_owner();
}

bool KernelMaps::is_owner() const {
  return check_owner().has_value();
}

Result<void> KernelMaps::check_owner() const {
  KS_ASSIGN(const uint64_t now, read_epoch());
  if (epoch_ != 0 && now == epoch_) return {};
  return fail(Reason::fenced, ErrorSource::kInternal,
              epoch_ == 0 ? "this agent has not taken the node over"
                          : "epoch " + std::to_string(now) + " replaced " + std::to_string(epoch_));
}

Result<void> KernelMaps::put(compile::MapId map, std::string_view key, std::string_view value) {
  const MapShape& shape = shape_of(map);
  if (key.size() != shape.key_bytes || value.size() != shape.value_bytes)
    return fail(Reason::internal, ErrorSource::kInternal,
                std::string(shape.name) + ": row of the wrong size");
  KS_TRY(check_owner());
  const Fd& fd = maps_[static_cast<size_t>(map)];
  if (bpf_map_update_elem(fd.get(), key.data(), value.data(), BPF_ANY) != 0)
    return fail_errno(Reason::map_write_failed, errno,
                      std::string(shape.name) + (errno == E2BIG ? " is full" : ""));
  ++writes_;
  return {};
}

Result<void> KernelMaps::erase(compile::MapId map, std::string_view key) {
  const MapShape& shape = shape_of(map);
  if (key.size() != shape.key_bytes)
    return fail(Reason::internal, ErrorSource::kInternal,
                std::string(shape.name) + ": key of the wrong size");
  KS_TRY(check_owner());
  if (bpf_map_delete_elem(maps_[static_cast<size_t>(map)].get(), key.data()) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno(Reason::map_write_failed, errno, shape.name);
  }
  ++writes_;
  return {};
}

Result<compile::Rows> KernelMaps::read_all() {
  compile::Rows rows;
  for (int i = 0; i < compile::kMapIds; ++i) KS_TRY(read_map(static_cast<compile::MapId>(i), rows));
  return rows;
}

Result<compile::Rows> KernelMaps::read(std::string_view name) const {
  std::string names;
  for (size_t i = 0; i < compile::kMapIds; ++i) {
    names += (i == 0 ? "" : ", ") + std::string(kShapes[i].name);
    if (name != kShapes[i].name) continue;
    compile::Rows rows;
    KS_TRY(read_map(static_cast<compile::MapId>(i), rows));
    return rows;
  }
  return fail(Reason::not_found, ErrorSource::kInternal,
              std::string(name) + " is no configuration map: " + names);
}

Result<void> KernelMaps::read_map(compile::MapId map, compile::Rows& rows) const {
  const MapShape& shape = shape_of(map);
  auto read = for_each_row(maps_[static_cast<size_t>(map)], shape.key_bytes, shape.value_bytes,
                           [&](std::string_view key, std::string_view value) {
                             rows.insert_or_assign({map, key}, value);
                           });
  if (!read) read.error().context = std::string(shape.name) + ": " + read.error().context;
  return read;
}

}  // namespace keelson::datapath
