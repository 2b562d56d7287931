// What the kernel (bpf/lib/lookup.h, capture.h, source_check.bpf.c) makes of a connection, given
// any rows, half-written ones included, and the pods that have their hooks. Written for the tests,
// apart from the code under test. One thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/ip_address.h"
#include "compile/rows.h"

namespace keelson::rollout {

struct Connection {
  uint64_t source_pod = 0;  // netns cookie; 0: not of this node
  IpAddress source;
  uint64_t destination_pod = 0;
  IpAddress destination;
  uint16_t port = 0;
};

class KernelModel {
 public:
  std::set<uint64_t> hooked;  // pods with sk_lookup and source check attached

  bool is_allowed(const compile::Rows& rows, const Connection& connection);

 private:
  bool inbound(const compile::Rows& rows, const Connection& connection, const ks_pod* attested);
  bool policy_allows(const compile::Rows& rows, const ks_pod& pod, const Connection& connection,
                     uint64_t proven, uint64_t claimed);
  bool set_allows(const compile::Rows& rows, uint64_t set, const Connection& connection,
                  uint64_t proven, uint64_t claimed);

  // A set never changes under its id, so its verdicts may be kept.
  std::map<std::tuple<uint64_t, uint64_t, uint64_t, IpAddress, uint16_t>, bool> verdicts_;
};

// What is wrong with references among rows at any moment; empty: nothing.
std::string broken_reference(const compile::Rows& rows);
// Precondition: a row of the maps kClassId to kPolicy.
uint64_t set_of(const compile::RowKey& row);
// A set whose head is in `rows` lacks a row that `complete` has.
bool has_incomplete_set(const compile::Rows& rows, const compile::Rows& complete);

}  // namespace keelson::rollout
