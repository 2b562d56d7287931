// Fakes of what enrolment works with: keelson-hold and the kernel's hooks. Each records the order
// of its calls. One thread.
#pragma once

#include <fcntl.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "pods/enrolment.h"
#include "support/fake_clock.h"

namespace keelson::pods {

inline Fd some_fd() {
  return Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

inline Failure away() {
  return Failure(Error{Reason::hold_unreachable, ErrorSource::kInternal, true, 0, "away"});
}

// A hold with namespaces by path; `calls` is the order of what it was asked.
class FakeHold final : public link::Hold {
 public:
  struct Netns {
    uint64_t cookie = 0;
    std::vector<std::string> addresses;
    uint32_t peer_ifindex = 0;
    uint16_t port_first = 32768;
  };

  Result<void> give_tag_map(int) override {
    if (!reachable) return away();
    has_tag_map = true;
    calls.push_back("tag_map");
    return {};
  }
  Result<link::Registration> register_pod(std::string_view pod, std::string_view path) override {
    if (!reachable) {
      ++asked_in_vain;
      return away();
    }
    if (const auto refused = refuse.find(pod); refused != refuse.end())
      return fail(refused->second, ErrorSource::kKernel, std::string(path));
    const auto found = netns.find(path);
    if (found == netns.end())
      return fail(Reason::netns_invalid, ErrorSource::kKernel, std::string(path));
    registered[std::string(pod)] = std::string(path);
    calls.push_back("register " + std::string(pod));
    return link::Registration{describe(found->second), some_fd()};
  }
  Result<void> forget(std::string_view pod) override {
    if (!reachable) return away();
    registered.erase(std::string(pod));
    calls.push_back("forget " + std::string(pod));
    return {};
  }
  Result<void> adopt(std::string_view pod, ks_family, ks_role, int) override {
    if (!registered.contains(std::string(pod)))
      return fail(Reason::pod_unknown, ErrorSource::kInternal, "");
    calls.push_back("adopt " + std::string(pod));
    return {};
  }
  Result<link::PodListeners> listeners(std::string_view) override {
    if (dies_after_register) return fail(Reason::pod_unknown, ErrorSource::kInternal, "");
    if (!has_tag_map) return fail(Reason::hold_refused, ErrorSource::kInternal, "no tag map");
    link::PodListeners made;
    for (Fd& fd : made) fd = some_fd();
    return made;
  }
  Result<std::vector<link::ListedPod>> list_all() override {
    if (!reachable) return away();
    std::vector<link::ListedPod> pods;
    for (const auto& [uid, path] : registered) pods.push_back({uid, describe(netns.at(path))});
    return pods;
  }
  uint64_t connections() const noexcept override { return connection; }
  bool is_reachable() const noexcept override { return reachable; }

  void restart() {
    registered.clear();
    has_tag_map = false;
    ++connection;
    calls.clear();
  }
  static link::HoldPod describe(const Netns& from) {
    link::HoldPod pod{};
    pod.netns_cookie = from.cookie;
    pod.peer_ifindex = from.peer_ifindex;
    pod.local_port_first = from.port_first;
    pod.local_port_last = 60999;
    for (const std::string& text : from.addresses)
      pod.addresses[pod.address_count++] = IpAddress::parse(text)->raw();
    return pod;
  }

  bool reachable = true;
  bool dies_after_register = false;  // its successor answers the rest
  int asked_in_vain = 0;             // register_pod
  bool has_tag_map = false;
  uint64_t connection = 1;
  std::map<std::string, Netns, std::less<>> netns;
  std::map<std::string, Reason, std::less<>> refuse;  // register_pod, by pod
  std::map<std::string, std::string> registered;
  std::vector<std::string> calls;
};

class FakeHooks final : public datapath::PodHooks {
 public:
  int tag_map() const noexcept override { return 0; }
  Result<void> install_listeners(uint32_t slot, const datapath::SlotListeners&) override {
    calls.push_back("listeners " + std::to_string(slot));
    listeners.insert(slot);
    return {};
  }
  Result<void> attach_lookup(uint32_t slot, const std::string& path) override {
    if (refuse_lookup == path)
      return fail(Reason::bpf_attach_failed, ErrorSource::kKernel, "lookup of " + path);
    calls.push_back("lookup " + std::to_string(slot));
    lookups[slot] = path;
    return {};
  }
  Result<void> attach_source_check(uint32_t ifindex) override {
    calls.push_back("source " + std::to_string(ifindex));
    sources.insert(ifindex);
    return {};
  }
  bool lookup_attached(uint32_t slot, const std::string& path) const override {
    const auto found = lookups.find(slot);
    return found != lookups.end() && found->second == path;
  }
  bool listeners_installed(uint32_t slot, const datapath::SlotListeners&) const override {
    return listeners.contains(slot);
  }
  bool source_check_attached(uint32_t ifindex) const override { return sources.contains(ifindex); }
  std::vector<uint32_t> attached_slots() const override {
    std::vector<uint32_t> slots;
    for (const auto& [slot, path] : lookups) slots.push_back(slot);
    return slots;
  }
  Result<void> release(uint32_t slot, uint32_t ifindex, uint64_t) override {
    calls.push_back("release " + std::to_string(slot));
    lookups.erase(slot);
    listeners.erase(slot);
    sources.erase(ifindex);
    return {};
  }

  std::string refuse_lookup;
  std::vector<std::string> calls;
  std::map<uint32_t, std::string> lookups;
  std::set<uint32_t> listeners;
  std::set<uint32_t> sources;
};

}  // namespace keelson::pods
