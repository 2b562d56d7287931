// Compiler: turns one snapshot, as seen from one node, into a Plan. Pure: no clock, no I/O; the
// same input always gives the same plan. A Compiler only remembers what the last plan was made of,
// by the identity of the immutable objects that went in, and changes what they changed: one changed
// endpoint costs one Service, whatever else there is, and the next plan shares all other rows with
// the last one. Agent loop only; not for use by two threads at once. It does not decide in which
// order rows are written: rollout/ does.
#pragma once

#include <memory>

#include "compile/facts.h"
#include "compile/plan.h"
#include "model/snapshot.h"

namespace keelson::compile {

class Compiler {
 public:
  Compiler();
  ~Compiler();
  Compiler(Compiler&&) noexcept;
  Compiler& operator=(Compiler&&) noexcept;

  // Never fails: what cannot be compiled is denied or left out, and said in Plan::findings.
  Plan compile(const model::Snapshot& snapshot, const NodeFacts& facts);

  // Units compiled by the last call, and taken over unchanged from an earlier one.
  struct Work {
    size_t compiled = 0;
    size_t reused = 0;
  };
  Work last_work() const noexcept;

 private:
  struct Cache;
  std::unique_ptr<Cache> cache_;
};

// The same without memory.
Plan compile(const model::Snapshot& snapshot, const NodeFacts& facts);

}  // namespace keelson::compile
