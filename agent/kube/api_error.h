// api_error: what a refused request means, and when to come back. Pure.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "kube/object_text.h"
#include "rest/client.h"

namespace keelson::kube {

struct ApiError {
  Error error;  // api_unauthorized, api_forbidden, api_kind_missing, api_version_expired,
                // api_overloaded, api_refused; context: the call, the status, the server's words
  std::optional<std::chrono::seconds> retry_after;
};

// Of an answer that is not 2xx.
ApiError api_error(const std::string& call, rest::Answer answer);
// Of an ERROR event in a watch.
ApiError api_error(const std::string& call, const ApiStatus& status);

// Delays that double from 0.8 s to 30 s, spread by half each way so that a thousand agents do not
// come back together; never earlier than the server asks.
class Backoff {
 public:
  using Random = std::function<double()>;  // [0, 1)
  explicit Backoff(Random random) : random_(std::move(random)) {}

  std::chrono::milliseconds next(std::optional<std::chrono::seconds> retry_after = {});
  void reset() noexcept { failures_ = 0; }

 private:
  Random random_;
  unsigned failures_ = 0;
};

}  // namespace keelson::kube
