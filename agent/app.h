// App: the agent: owns every part, connects them on one event loop, and answers what the admin
// surface asks. Only wiring: each decision is made in the part that is named for it.
// start() fails with an Error that names the fix; after it, nothing but a signal ends run().
#pragma once

#include <memory>

#include "admin/admin_state.h"
#include "base/result.h"
#include "options.h"

namespace keelson {

class App {
 public:
  static Result<std::unique_ptr<App>> start(const Options& options);
  ~App();
  // Until SIGTERM or SIGINT. Programs, maps and links stay in the kernel and go on working. True:
  // it has taken the node out of the mesh for good and ended by itself; retired.h goes on from
  // there.
  bool run();

 private:
  class Parts;
  explicit App(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace keelson
