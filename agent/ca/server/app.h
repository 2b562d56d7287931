// App: keelson-ca as a process: owns the loop and every part, and only wires. SIGHUP reopens the
// issuance log; SIGTERM and SIGINT end run(). One thread, and libcurl's for names.
#pragma once

#include <memory>

#include "base/result.h"
#include "ca/server/options.h"

namespace keelson::ca {

class App {
 public:
  static Result<std::unique_ptr<App>> start(const Options& options);
  ~App();
  void run();

 private:
  class Parts;
  explicit App(std::unique_ptr<Parts> parts) noexcept;
  std::unique_ptr<Parts> parts_;
};

}  // namespace keelson::ca
