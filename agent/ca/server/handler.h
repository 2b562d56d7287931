// CaHandler: keelson-ca's HTTP API over a SigningService. Loop's thread.
//   POST /v1/sign   Authorization: Bearer TOKEN; {"csr": PEM, "namespace": .., "serviceAccount":
//   ..}
//                   200 {"chain": PEM, "trust": PEM, "notBefore": .., "notAfter": ..} (seconds)
//                   400, 401, 403, 429, 500, 503 {"error": {"code": reason, "message", "next"}}
//   GET /healthz    the process turns its loop     GET /readyz   it has a root to sign with
//   GET /metrics    Prometheus text
// Who is not proven yet learns nothing but the reason.
#pragma once

#include <functional>

#include "ca/root_keeper.h"
#include "ca/signing_service.h"
#include "serving/handler.h"

namespace keelson::ca {

inline constexpr size_t kSignBodyBytesMax = 16 * 1024;

class CaHandler final : public serving::Handler {
 public:
  struct Parts {
    SigningService& service;
    const RootKeeper& roots;
    const IssuanceLog& log;
    std::function<WallTime()> serving_ends;  // of the CA's own certificate
  };                                         // all outlive the handler
  explicit CaHandler(Parts parts) : parts_(std::move(parts)) {}

  serving::Response handle(const serving::Request& request) override;

 private:
  serving::Response sign(const serving::Request& request);
  std::string metrics() const;

  const Parts parts_;
};

// The status that tells a client what to do about a refusal. Pure.
int status_for(Reason reason) noexcept;

}  // namespace keelson::ca
