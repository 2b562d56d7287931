// HookTest: the fixture of every test that drives the attached hooks with real sockets; once per
// address family. The programs are loaded and the pods made once per suite, rows are reset per
// test.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pod_lab.h"

namespace keelson::test {

class HookTest : public testing::TestWithParam<int> {
 protected:
  static void SetUpTestSuite() {
    if (!DatapathPrograms::unavailable().empty()) return;
    programs_ = std::make_unique<DatapathPrograms>();
    lab_ = std::make_unique<PodLab>(*programs_);
  }
  static void TearDownTestSuite() {
    lab_.reset();
    programs_.reset();
  }
  void SetUp() override {
    if (!programs_) GTEST_SKIP() << DatapathPrograms::unavailable();
    lab_->enrol();
  }
  int family() const { return GetParam(); }
  IpAddress service_address(int n = 1) const {
    const std::string text = (family() == AF_INET ? "10.90.0." : "fd90::") + std::to_string(n);
    return IpAddress::parse(text).value();
  }
  Endpoint of(Place place, uint16_t port) const { return {PodLab::ip(place, family()), port}; }
  std::optional<ks_attestation> record_of(const Fd& socket) const {
    return programs_->get<ks_attestation>("ks_socket", socket.get());
  }
  int outbound(Place pod) const { return lab_->listener(pod, family(), KS_ROLE_OUTBOUND); }
  // A remote mesh pod behind an address of the neighbour.
  void put_remote(const IpAddress& address, uint32_t flags) {
    programs_->put("ks_address", address.raw(), ks_address{0, 0xc1, flags, 0});
  }
  uint32_t budget_of(Place pod) const {
    return programs_->get<uint32_t>("ks_budget", lab_->cookie(pod)).value_or(0);
  }
  bool has_event(const std::vector<ks_event>& events, ks_reason reason) const {
    return std::any_of(events.begin(), events.end(),
                       [&](const ks_event& event) { return event.reason == reason; });
  }

  // A set with one policy row for everybody.
  void put_set(uint64_t set, ks_verdict verdict, uint64_t policy, bool deny_matched = false) {
    programs_->put("ks_policy", ks_policy_key{set, 1, 0, 0},
                   ks_policy{policy, static_cast<uint8_t>(verdict), deny_matched, {}});
    programs_->put("ks_policy", ks_policy_key{set, KS_CLASS_NO_IDENTITY, 0, 0},
                   ks_policy{policy, static_cast<uint8_t>(verdict), deny_matched, {}});
    programs_->put("ks_set", set, ks_set{0, 1});
  }

  static inline std::unique_ptr<DatapathPrograms> programs_;
  static inline std::unique_ptr<PodLab> lab_;
};

inline std::string family_name(const testing::TestParamInfo<int>& family) {
  return family.param == AF_INET ? "v4" : "v6";
}

}  // namespace keelson::test
