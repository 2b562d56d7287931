// make_steps: (what the kernel holds, what it should hold) -> writes in a safe order. Pure, any
// thread.
//
// tighten  new policy sets, complete, before anything refers to them; each changed pod judged by
//          the old set AND the new one; plaintext refused where either wants it refused; addresses
//          of other nodes' pods that stop being READY, which refuse plaintext until then
// publish  (rollout.h) the proxy has the new configuration
// steer    backends, Services; addresses of other nodes' pods that go; pods that join, with their
//          ports, then their addresses, then the source check; L7 and mTLS capture
// relax    pods that leave: source check, addresses, then the pod; addresses of other nodes' pods
//          that come or turn READY; pods judged by the new set only; plaintext accepted where only
//          the new plan accepts it
// retire   Services, then their backends; ports of pods that left; sets nobody refers to
//
// Why pods join in this order: without its row a pod's own connections carry no attestation, and
// once its address is known, receivers drop those. So row first, address second; the source check
// knows a pod's addresses only from ks_address, so it comes third. Leaving is the mirror image.
// Before the first and after the last of these the addresses are OPEN (abi.h): in an apply of its
// own each, because agent/pods attaches and detaches the pod's sk_lookup program in between.
//
// Why other nodes' addresses change at three moments: a claim, and READY more so, can only deny. A
// pod that joins must not judge by a claim that goes, nor one that leaves by a claim that comes.
// All lie between the tightening of pods and their relaxing, when old and new set must allow, so
// that none opens anything. READY goes before publish: a proxy that knows dials such a pod in the
// clear, which the kernel refuses while the row is READY, and one that does not know yet dials
// HBONE, which the kernel lets go to any pod of another node. It goes with its claim, in one write:
// the old claim without READY is of no plan, and may be allowed what neither allows. Left over, on
// the refusing side, because each order that allows it also opens something: what is known of a
// source changes in the same plan as the policy or mode of the receiver, or one claimed identity
// replaces another. Until relax the receiver may then refuse what both plans allow.
#pragma once

#include <optional>
#include <vector>

#include "compile/rows.h"

namespace keelson::rollout {

struct Write {
  compile::RowKey row;
  std::optional<compile::RowBytes> value;  // nothing: erase
};
using Writes = std::vector<Write>;

struct Steps {
  Writes tighten, steer, relax, retire;
  // The proxy must know the new plan before steer and relax: they capture, or change what it
  // judges.
  bool needs_proxy = false;
  size_t size() const noexcept {
    return tighten.size() + steer.size() + relax.size() + retire.size();
  }
};

// Equal arguments give no writes. Doing all steps turns `applied` into `desired`. Doing only a
// part, and then the steps made from what is applied by then, is safe too.
Steps make_steps(const compile::Rows& applied, const compile::Rows& desired);

}  // namespace keelson::rollout
