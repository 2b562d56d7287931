#include "kube/leadership.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/utc_text.h"
#include "kube/resource.h"

namespace keelson::kube {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kCallLimit{5};
constexpr milliseconds kLookPerCandidate{100};

std::string member(const json& object, const char* outer, const char* inner) {
  const json part = object.value(outer, json::object());
  return part.is_object() && part.contains(inner) && part[inner].is_string()
             ? part[inner].get<std::string>()
             : std::string();
}

constexpr Resource kLease{
    .kind = "Lease", .group = "coordination.k8s.io", .versions = {"v1"}, .plural = "leases"};

// The spec of a lease that `identity` takes or renews at `time`.
json taken_spec(json spec, const std::string& identity, const std::string& time) {
  if (!spec.contains("holderIdentity") || spec["holderIdentity"] != identity) {
    const auto changes = spec.find("leaseTransitions");
    const bool is_counted = changes != spec.end() && changes->is_number_integer();
    spec["leaseTransitions"] = is_counted ? changes->get<int64_t>() + 1 : 0;
    spec["acquireTime"] = time;
  }
  spec["holderIdentity"] = identity;
  spec["leaseDurationSeconds"] = Leadership::kDuration.count();
  spec["renewTime"] = time;
  return spec;
}

}  // namespace

Leadership::Leadership(std::string ns, std::string name, std::string identity, Seams seams)
    : ns_(std::move(ns)),
      name_(std::move(name)),
      identity_(std::move(identity)),
      seams_(std::move(seams)),
      backoff_(seams_.random) {}

// Not all at once after a rollout of all agents.
void Leadership::start() {
  sleep(milliseconds(static_cast<int>(seams_.random() * 2000)));
}

bool Leadership::is_leader() const noexcept {
  return has_lease_ && seams_.clock.now() - renewed_at_ < kDuration;
}

void Leadership::wake() {
  if (!wake_at_ || *wake_at_ > seams_.clock.now() || call_) return;
  wake_at_.reset();
  look();
}

void Leadership::look() {
  rest::Request request;
  request.target = object_target(kLease, 0, ns_, name_);
  request.time_limit = kCallLimit;
  const std::string call = "GET " + request.target;
  call_ = seams_.client.send(std::move(request), [this, call](Result<rest::Answer> answer) {
    const std::unique_ptr<rest::Call> ended = std::move(call_);
    if (!answer) return on_trouble(answer.error(), {});
    if (answer->status == 200) return on_lease(answer->body);
    ApiError why = api_error(call, std::move(*answer));
    on_trouble(std::move(why.error), why.retry_after);
  });
}

void Leadership::on_lease(const std::string& body) {
  const std::string now = utc_text_micros(seams_.clock.wall_now());
  json lease = json::parse(body, nullptr, false);
  if (!lease.is_object() || !lease.value("spec", json::object()).is_object())
    return on_trouble({Reason::api_answer_malformed, ErrorSource::kKube, true, 0, "Lease " + name_},
                      {});
  const std::string holder = member(lease, "spec", "holderIdentity");
  const std::string version = member(lease, "metadata", "resourceVersion");
  if (!holder.empty() && holder != identity_ &&
      is_held(version, member(lease, "spec", "renewTime")))
    return;
  lease["spec"] = taken_spec(lease.value("spec", json::object()), identity_, now);
  take(lease.dump());
}

// By somebody else, as far as can be known; then it is looked at again later.
bool Leadership::is_held(const std::string& version, const std::string& renewed) {
  const MonotonicTime now = seams_.clock.now();
  if (version != std::exchange(seen_, version)) seen_at_ = now;
  if (now - seen_at_ >= kDuration) return false;
  error_.reset();
  backoff_.reset();
  set_leader(false);
  // By our own clock it has ended: worth a look as soon as that could be believed.
  const bool looks_ended = renewed < utc_text_micros(seams_.clock.wall_now() - kDuration);
  sleep(looks_ended ? std::chrono::ceil<milliseconds>(seen_at_ + kDuration - now)
                    : look_interval());
  return true;
}

// With its resourceVersion: who comes second is refused.
void Leadership::take(std::string lease) {
  rest::Request request;
  request.method = "PUT";
  request.target = object_target(kLease, 0, ns_, name_);
  request.content_type = "application/json";
  request.body = std::move(lease);
  request.time_limit = kCallLimit;
  const MonotonicTime sent_at = seams_.clock.now();
  call_ = seams_.client.send(std::move(request), [this, sent_at](Result<rest::Answer> answer) {
    const std::unique_ptr<rest::Call> ended = std::move(call_);
    if (answer && answer->status / 100 == 2) renewed_at_ = sent_at;
    on_taken(std::move(answer));
  });
}

void Leadership::on_taken(Result<rest::Answer> answer) {
  if (!answer) return on_trouble(answer.error(), {});
  if (answer->status == 409) {  // somebody was faster
    set_leader(false);
    return sleep(look_interval());
  }
  if (answer->status / 100 != 2) {
    ApiError why = api_error("Lease " + name_, std::move(*answer));
    return on_trouble(std::move(why.error), why.retry_after);
  }
  error_.reset();
  backoff_.reset();
  set_leader(true);
  sleep(kRenewInterval);
}

// A leader stays one until its lease ends by the clock: is_leader() says so.
void Leadership::on_trouble(Error error, std::optional<std::chrono::seconds> retry_after) {
  error_ = std::move(error);
  sleep(backoff_.next(retry_after));
}

void Leadership::sleep(milliseconds time) {
  wake_at_ = seams_.clock.now() + time;
  seams_.on_change();
}

milliseconds Leadership::look_interval() const {
  const auto candidates = static_cast<int64_t>(seams_.candidates());
  const milliseconds whole = std::max<milliseconds>(kRenewInterval, kLookPerCandidate * candidates);
  return whole + milliseconds(static_cast<int64_t>(seams_.random() * 0.5 *
                                                   static_cast<double>(whole.count())));
}

void Leadership::set_leader(bool is_leader) {
  if (std::exchange(has_lease_, is_leader) == is_leader) return;
  spdlog::info("component=leadership lease={}/{} msg=\"{}\"", ns_, name_,
               is_leader ? "this agent leads" : "this agent no longer leads");
}

}  // namespace keelson::kube
