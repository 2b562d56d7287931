// Cutting: ends established connections that a changed policy now refuses. Judges with the rows
// that were just applied, only pods whose judgement changed, and only connections that a pod
// accepted in the open: what the proxy delivered is the proxy's to end, probes and a pod's own are
// nobody's. Agent loop only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "compile/facts.h"
#include "compile/rows.h"
#include "datapath/cutter.h"

namespace keelson {

// True when the applied rows refuse a connection that `pod` has accepted. Pure.
bool is_refused_now(const compile::Rows& rows, const ks_pod& pod, uint64_t netns_cookie,
                    const datapath::Connection& connection);

class Cutting {
 public:
  // `socket_map`: ks_socket.
  explicit Cutting(int socket_map) : socket_map_(socket_map) {}

  // After a restart: what the kernel judged by until now.
  void recover(const compile::Rows& rows);

  // After a rollout. `sock_diag` by pod uid; null: the pod is skipped until the next call.
  // Returns how many connections were cut. A pod whose dump fails is tried again at the next call.
  uint64_t run(const compile::Rows& rows, const compile::NodeFacts& facts,
               const std::function<const Fd*(const std::string& uid)>& sock_diag);

 private:
  // What a pod's accepted connections are judged by. First seen: nothing to cut, its connections
  // are older than its enrolment.
  struct Judgement {
    uint64_t policy_set[2];
    uint32_t flags;
    friend bool operator==(const Judgement&, const Judgement&) = default;
  };
  static Judgement judgement_of(const ks_pod& pod) noexcept;

  int socket_map_;
  std::map<uint64_t, Judgement> judged_;  // by netns cookie
};

}  // namespace keelson
