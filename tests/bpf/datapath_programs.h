// DatapathPrograms: the four kernel objects loaded for a test, sharing maps by file descriptor. No
// pins and only link file descriptors, so the kernel removes everything when the process ends,
// however it ends. Test thread only. Does not write any row of its own.
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "keelson_abi/abi.h"

namespace keelson::test {

class DatapathPrograms {
 public:
  static constexpr uint64_t kBootKey = 0x6b65656c736f6e21;

  DatapathPrograms();  // throws std::runtime_error when a program does not load
  ~DatapathPrograms();
  DatapathPrograms(const DatapathPrograms&) = delete;
  DatapathPrograms& operator=(const DatapathPrograms&) = delete;

  // Empty, or why the programs cannot be loaded here (not root).
  static std::string unavailable();

  void attach_cgroup_root();
  void attach_lookup(int netns);

  int program(const std::string& name) const;
  int map(const std::string& name) const;
  // Loads one more object on the same maps; the caller keeps it.
  void share_maps(bpf_object* object) const;

  template <class Key, class Value>
  bool try_put(const std::string& name, const Key& key, const Value& value) {
    return bpf_map_update_elem(map(name), &key, &value, BPF_ANY) == 0;
  }
  template <class Key, class Value>
  void put(const std::string& name, const Key& key, const Value& value) {
    if (!try_put(name, key, value)) throw std::runtime_error("cannot write " + name);
  }
  template <class Value, class Key>
  std::optional<Value> get(const std::string& name, const Key& key) const {
    Value value{};
    if (bpf_map_lookup_elem(map(name), &key, &value)) return std::nullopt;
    return value;
  }
  template <class Key>
  void erase(const std::string& name, const Key& key) {
    bpf_map_delete_elem(map(name), &key);
  }
  size_t size(const std::string& name) const;
  void clear(const std::string& name);
  void clear_configuration();  // all rows of all hash maps and tries

  uint64_t count(ks_reason reason) const;
  std::vector<ks_event> take_events();  // since the last call

 private:
  void load(bpf_object* object);

  std::vector<std::shared_ptr<void>> skeletons_;  // each owns the object beside it
  std::vector<bpf_object*> objects_;
  std::vector<bpf_link*> links_;
  std::vector<ks_event> events_;
  ring_buffer* ring_ = nullptr;
};

// The path where cgroup v2 is mounted, from mountinfo.
std::string cgroup_root();

}  // namespace keelson::test
