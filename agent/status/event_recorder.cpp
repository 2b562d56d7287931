#include "status/event_recorder.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/content_id.h"
#include "base/utc_text.h"
#include "base/whole_characters.h"
#include "kube/resource.h"
#include "status/node_state_apply.h"

namespace keelson::status {
namespace {

using nlohmann::json;

constexpr size_t kRecordsMax = 1024;
constexpr size_t kWaitingMax = 256;
constexpr std::chrono::seconds kSeriesInterval{300};
constexpr std::chrono::seconds kCallCost{1};
constexpr std::chrono::seconds kBurst{50};
constexpr std::chrono::milliseconds kCallLimit{10'000};
constexpr const char* kReporter = "keelson.dev/agent";
// Limits of the API server (validation of events.k8s.io/v1).
constexpr size_t kNoteBytesMax = 1024;
constexpr size_t kInstanceBytesMax = 128;
constexpr size_t kNamePrefixBytesMax = 200;

constexpr kube::Resource kEvent{
    .kind = "Event", .group = "events.k8s.io", .versions = {"v1"}, .plural = "events"};

// A namespace is in itself, so that its users see its events.
const std::string& namespace_of(const Event& event) {
  return event.about.kind == model::Kind::kNamespace ? event.about.name : event.about.ns;
}

std::string name_of(const Event& event, const std::string& node_name) {
  const std::string whole = node_name + "\n" + event.about.to_string() + "\n" + event.uid + "\n" +
                            event.reason + "\n" + event.note;
  std::string name = event.about.name.substr(0, kNamePrefixBytesMax);
  while (name.ends_with('.') || name.ends_with('-')) name.pop_back();
  return name + "." + sha256_hex(whole).substr(0, 16);
}

std::string text_of(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

// The same one is refused again.
bool is_final(int status) {
  return status == 400 || status == 403 || status == 404 || status == 422;
}

}  // namespace

EventRecorder::EventRecorder(std::string node_name, Seams seams)
    : node_name_(std::move(node_name)), seams_(std::move(seams)), backoff_(seams_.random) {}

void EventRecorder::add(const Event& event) {
  const MonotonicTime now = seams_.clock.now();
  auto at = records_.find(event);
  const bool is_due = at != records_.end() && at->second.due;
  if (!is_due && (waiting_ >= kWaitingMax || (at == records_.end() && !make_room()))) {
    ++dropped_;
    return;
  }
  if (at == records_.end()) {
    at = records_.emplace(event, Record{}).first;
    at->second.name = name_of(event, node_name_);
    at->second.first = seams_.clock.wall_now();
  }
  Record& record = at->second;
  record.last = seams_.clock.wall_now();
  ++record.count;
  if (!is_due) {
    ++waiting_;
    record.due = record.is_made ? std::max(now, record.touched + kSeriesInterval) : now;
  }
  seams_.on_schedule();
}

// Forgets the one that was told longest ago.
bool EventRecorder::make_room() {
  if (records_.size() < kRecordsMax) return true;
  const auto oldest = std::ranges::min_element(records_, {}, [](const auto& each) {
    return each.second.due ? MonotonicTime::max() : each.second.touched;
  });
  if (oldest->second.due) return false;
  records_.erase(oldest);
  return true;
}

std::optional<MonotonicTime> EventRecorder::next_wake() const {
  if (call_ || waiting_ == 0) return std::nullopt;
  auto next = MonotonicTime::max();
  for (const auto& [event, record] : records_)
    if (record.due) next = std::min(next, *record.due);
  return std::max({next, quiet_until_, free_at_ - kBurst});
}

void EventRecorder::wake() {
  const auto due = next_wake();
  if (due && *due <= seams_.clock.now()) take_turn();
}

void EventRecorder::take_turn() {
  const auto first = std::ranges::min_element(records_, {}, [](const auto& each) {
    return each.second.due.value_or(MonotonicTime::max());
  });
  free_at_ = std::max(free_at_, seams_.clock.now()) + kCallCost;
  sent_ = first->first;
  sent_count_ = first->second.count;
  if (first->second.is_made)
    count(first->first, first->second);
  else
    create(first->first, first->second);
}

void EventRecorder::create(const Event& event, const Record& record) {
  const bool is_namespace = event.about.kind == model::Kind::kNamespace;
  json object = {{"apiVersion", "events.k8s.io/v1"},
                 {"kind", "Event"},
                 {"metadata", {{"name", record.name}, {"namespace", namespace_of(event)}}},
                 {"eventTime", utc_text_micros(record.first)},
                 {"reportingController", kReporter},
                 {"reportingInstance", node_name_.substr(0, kInstanceBytesMax)},
                 {"action", event.action},
                 {"reason", event.reason},
                 {"regarding",
                  {{"apiVersion", "v1"},
                   {"kind", is_namespace ? "Namespace" : "Pod"},
                   {"name", event.about.name},
                   {"namespace", namespace_of(event)},
                   {"uid", event.uid}}},
                 {"note", whole_characters(event.note, kNoteBytesMax)},
                 {"type", event.is_warning ? "Warning" : "Normal"}};
  send("POST", kube::collection_target(kEvent, 0, namespace_of(event)), "application/json",
       text_of(object));
}

void EventRecorder::count(const Event& event, const Record& record) {
  const json patch = {{"series",
                       {{"count", std::max<uint64_t>(record.count, 2)},
                        {"lastObservedTime", utc_text_micros(record.last)}}}};
  send("PATCH",
       kube::object_target(kEvent, 0, namespace_of(event), record.name) +
           "?fieldManager=" + kFieldManager,
       "application/merge-patch+json", text_of(patch));
}

void EventRecorder::send(const char* method, std::string target, const char* content_type,
                         std::string body) {
  rest::Request request;
  request.method = method;
  request.target = std::move(target);
  request.content_type = content_type;
  request.body = std::move(body);
  request.time_limit = kCallLimit;
  call_ = seams_.client.send(std::move(request),
                             [this](Result<rest::Answer> answer) { on_answer(std::move(answer)); });
}

void EventRecorder::on_answer(Result<rest::Answer> answer) {
  call_.reset();
  if (!answer) return on_trouble({answer.error(), {}});
  const auto at = records_.find(sent_);
  Record& record = at->second;
  if (answer->status / 100 == 2) {
    record.is_made = true;
    ++written_;
    return settle(at);
  }
  const bool has_expired = record.is_made && answer->status == 404;
  const bool is_there = !record.is_made && answer->status == 409;  // by an earlier agent
  if (has_expired || is_there) {
    record.is_made = is_there;
    if (has_expired) record.first = record.last;
    return seams_.on_schedule();
  }
  if (answer->status == 409) return seams_.on_schedule();
  const bool is_refused = is_final(answer->status);
  kube::ApiError why = kube::api_error("event of " + sent_.about.to_string(), std::move(*answer));
  if (!is_refused) return on_trouble(std::move(why));
  ++dropped_;
  error_ = std::move(why.error);
  settle(at);
}

// What came while the call was under way is counted later.
void EventRecorder::settle(Records::iterator at) {
  Record& record = at->second;
  record.touched = seams_.clock.now();
  record.due.reset();
  --waiting_;
  if (record.count > sent_count_) {
    record.due = record.touched + kSeriesInterval;
    ++waiting_;
  }
  if (record.is_made) error_.reset();
  backoff_.reset();
  seams_.on_schedule();
}

void EventRecorder::on_trouble(kube::ApiError why) {
  if (!error_ || error_->reason != why.error.reason)
    spdlog::warn("component=status reason={} msg=\"events wait: {}\"",
                 reason_name(why.error.reason), why.error.message());
  error_ = std::move(why.error);
  quiet_until_ = seams_.clock.now() + backoff_.next(why.retry_after);
  // The trouble may be this event's alone: another one is next.
  if (const auto at = records_.find(sent_); at != records_.end() && at->second.due)
    at->second.due = quiet_until_;
  seams_.on_schedule();
}

}  // namespace keelson::status
