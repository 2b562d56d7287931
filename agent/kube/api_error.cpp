#include "kube/api_error.h"

#include <algorithm>

namespace keelson::kube {
namespace {

constexpr std::chrono::milliseconds kFirstDelay{800};
constexpr std::chrono::milliseconds kLongestDelay{30'000};

// Both a 410 and an Expired in another dress mean that the version is gone; a version that the
// server has not reached yet (it was restored from a backup) is as good as gone.
Reason reason_of(int code, const ApiStatus& status) {
  if (code == 410 || status.reason == "Expired" || status.reason == "Gone")
    return Reason::api_version_expired;
  if (code == 504 && status.message.find("resource version") != std::string::npos)
    return Reason::api_version_expired;
  switch (code) {
    case 401:
      return Reason::api_unauthorized;
    case 403:
      return Reason::api_forbidden;
    case 404:
      return Reason::api_kind_missing;
    case 429:
    case 503:
      return Reason::api_overloaded;
    default:
      return Reason::api_refused;
  }
}

}  // namespace

ApiError api_error(const std::string& call, rest::Answer answer) {
  ApiStatus status = decode_status(answer.body);
  status.code = answer.status;
  ApiError error = api_error(call, status);
  if (answer.retry_after) error.retry_after = answer.retry_after;
  return error;
}

ApiError api_error(const std::string& call, const ApiStatus& status) {
  ApiError error;
  error.error = {reason_of(status.code, status), ErrorSource::kKube, true, 0,
                 call + ": " + std::to_string(status.code)};
  if (!status.reason.empty()) error.error.context += " " + status.reason;
  if (!status.message.empty()) error.error.context += ": " + status.message.substr(0, 500);
  error.retry_after = status.retry_after;
  return error;
}

std::chrono::milliseconds Backoff::next(std::optional<std::chrono::seconds> retry_after) {
  const auto whole = std::min(kLongestDelay, kFirstDelay * (1 << std::min(failures_, 6u)));
  ++failures_;
  const double random = random_();
  const auto spread = std::chrono::duration_cast<std::chrono::milliseconds>(whole * (0.5 + random));
  if (!retry_after) return spread;
  const auto asked = std::chrono::milliseconds(*retry_after);
  return std::max(spread, asked + std::chrono::milliseconds(static_cast<int>(1000 * random)));
}

}  // namespace keelson::kube
