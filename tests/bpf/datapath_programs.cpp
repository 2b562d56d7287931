#include "datapath_programs.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <sstream>
#include <utility>

#include "base/fd.h"
#include "ks_sk_lookup.skel.h"
#include "ks_sock_addr.skel.h"
#include "ks_sock_ops.skel.h"
#include "ks_source_check.skel.h"

namespace keelson::test {

namespace {

int keep_event(void* to, void* data, size_t bytes) {
  if (bytes != sizeof(ks_event)) return -1;
  static_cast<std::vector<ks_event>*>(to)->push_back(*static_cast<ks_event*>(data));
  return 0;
}

}  // namespace

std::string cgroup_root() {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(" - cgroup2 ") == std::string::npos) continue;
    std::istringstream fields(line);
    std::string id, parent, device, root, path;
    fields >> id >> parent >> device >> root >> path;
    return path;
  }
  throw std::runtime_error("no cgroup v2 mount");
}

std::string DatapathPrograms::unavailable() {
  if (geteuid() == 0) return "";
  if (const char* required = std::getenv("KS_REQUIRE_ROOT"); required && *required == '1')
    throw std::runtime_error("KS_REQUIRE_ROOT is set and this is not root");
  return "needs root to load BPF programs";
}

DatapathPrograms::DatapathPrograms() {
  const auto own = [this](auto* skeleton, void (*destroy)(decltype(skeleton))) {
    if (!skeleton) throw std::runtime_error("cannot open a BPF object");
    skeletons_.emplace_back(skeleton, destroy);
    load(skeleton->obj);
  };
  ks_sock_addr* sock_addr = ks_sock_addr::open();
  if (sock_addr) sock_addr->rodata->ks_boot_key = kBootKey;
  own(sock_addr, ks_sock_addr::destroy);
  own(ks_sock_ops::open(), ks_sock_ops::destroy);
  own(ks_sk_lookup::open(), ks_sk_lookup::destroy);
  own(ks_source_check::open(), ks_source_check::destroy);
  ring_ = ring_buffer__new(map("ks_events"), keep_event, &events_, nullptr);
  if (!ring_) throw std::runtime_error("cannot read ks_events");
}

DatapathPrograms::~DatapathPrograms() {
  ring_buffer__free(ring_);
  for (bpf_link* link : links_) bpf_link__destroy(link);
}

void DatapathPrograms::share_maps(bpf_object* object) const {
  bpf_map* map;
  bpf_object__for_each_map(map, object) {
    bpf_map__set_pin_path(map, nullptr);
    if (bpf_map__is_internal(map) || objects_.empty()) continue;
    const int shared = bpf_object__find_map_fd_by_name(objects_.front(), bpf_map__name(map));
    if (shared >= 0 && bpf_map__reuse_fd(map, shared))
      throw std::runtime_error(std::string("cannot share ") + bpf_map__name(map));
  }
}

void DatapathPrograms::load(bpf_object* object) {
  share_maps(object);
  if (bpf_object__load(object))
    throw std::runtime_error(std::string("cannot load ") + bpf_object__name(object));
  objects_.push_back(object);
}

void DatapathPrograms::attach_cgroup_root() {
  const Fd root(open(cgroup_root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (const char* name :
       {"ks_connect4", "ks_connect6", "ks_getpeer4", "ks_getpeer6", "ks_sockops"}) {
    bpf_program* found = nullptr;
    for (bpf_object* object : objects_)
      if (!found) found = bpf_object__find_program_by_name(object, name);
    bpf_link* link = found ? bpf_program__attach_cgroup(found, root.get()) : nullptr;
    if (!link) throw std::runtime_error(std::string("cannot attach ") + name);
    links_.push_back(link);
  }
}

void DatapathPrograms::attach_lookup(int netns) {
  bpf_program* found = bpf_object__find_program_by_name(objects_[2], "ks_sk_lookup");
  bpf_link* link = found ? bpf_program__attach_netns(found, netns) : nullptr;
  if (!link) throw std::runtime_error("cannot attach ks_sk_lookup");
  links_.push_back(link);
}

int DatapathPrograms::program(const std::string& name) const {
  for (bpf_object* object : objects_)
    if (bpf_program* found = bpf_object__find_program_by_name(object, name.c_str()))
      return bpf_program__fd(found);
  throw std::runtime_error("no program " + name);
}

int DatapathPrograms::map(const std::string& name) const {
  const int fd = bpf_object__find_map_fd_by_name(objects_.front(), name.c_str());
  if (fd < 0) throw std::runtime_error("no map " + name);
  return fd;
}

size_t DatapathPrograms::size(const std::string& name) const {
  std::array<std::byte, 64> key{};
  size_t rows = 0;
  const void* previous = nullptr;
  while (bpf_map_get_next_key(map(name), previous, key.data()) == 0) {
    rows++;
    previous = key.data();
  }
  return rows;
}

void DatapathPrograms::clear(const std::string& name) {
  std::array<std::byte, 64> key{};
  while (bpf_map_get_next_key(map(name), nullptr, key.data()) == 0)
    bpf_map_delete_elem(map(name), key.data());
}

void DatapathPrograms::clear_configuration() {
  for (const char* name : {"ks_pod", "ks_port", "ks_address", "ks_interface", "ks_service",
                           "ks_backend", "ks_set", "ks_class_id", "ks_class_port", "ks_class_addr",
                           "ks_policy", "ks_tuple", "ks_attempt", "ks_ended", "ks_budget"})
    clear(name);
}

uint64_t DatapathPrograms::count(ks_reason reason) const {
  std::vector<uint64_t> per_cpu(static_cast<size_t>(libbpf_num_possible_cpus()));
  const uint32_t index = reason;
  if (bpf_map_lookup_elem(map("ks_counters"), &index, per_cpu.data()))
    throw std::runtime_error("cannot read ks_counters");
  return std::accumulate(per_cpu.begin(), per_cpu.end(), uint64_t{0});
}

std::vector<ks_event> DatapathPrograms::take_events() {
  ring_buffer__consume(ring_);
  return std::exchange(events_, {});
}

}  // namespace keelson::test
