#include "status/route_status_writer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "kube/resource.h"
#include "status/node_state_apply.h"

namespace keelson::status {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kCallInterval{100};
constexpr milliseconds kCallLimit{10'000};
// Longer than a watch takes to bring the version that the server has already.
constexpr milliseconds kOutdatedDelay{2000};
constexpr milliseconds kCheckInterval{600'000};
// Of a route that the server refuses to be told anything about.
constexpr milliseconds kRefusedDelay{300'000};

constexpr kube::Resource kRoute{.kind = "HTTPRoute",
                                .group = "gateway.networking.k8s.io",
                                .versions = {"v1"},
                                .plural = "httproutes"};

std::string target_of(const model::ObjectKey& key) {
  return kube::object_target(kRoute, 0, key.ns, key.name);
}

// The object is at fault, not the server.
bool is_of_one_object(int status) {
  return status == 400 || status == 413 || status == 422;
}

}  // namespace

RouteStatusWriter::RouteStatusWriter(Seams seams)
    : seams_(std::move(seams)), backoff_(seams_.random) {}

void RouteStatusWriter::want(RouteStatuses wanted) {
  notice_lead();
  if (!leads_) return;
  const MonotonicTime now = seams_.clock.now();
  std::erase_if(works_, [&](const auto& work) { return !wanted.contains(work.first); });
  for (auto& [key, status] : wanted) {
    const auto [at, is_new] = works_.try_emplace(key);
    if (!is_new && at->second.wanted == status) continue;
    at->second.wanted = std::move(status);
    at->second.due = now;
  }
  seams_.on_schedule();
}

std::optional<MonotonicTime> RouteStatusWriter::next_wake() const {
  if (seams_.is_leader() != leads_) return seams_.clock.now();
  if (!leads_ || call_) return std::nullopt;
  std::optional<MonotonicTime> next;
  for (const auto& [key, work] : works_)
    if (work.due && (!next || *work.due < *next)) next = work.due;
  return next ? std::optional(std::max(*next, quiet_until_)) : std::nullopt;
}

void RouteStatusWriter::wake() {
  notice_lead();
  const MonotonicTime now = seams_.clock.now();
  if (!leads_ || call_ || now < quiet_until_) return;
  const auto first = std::ranges::min_element(
      works_, {}, [](const auto& work) { return work.second.due.value_or(MonotonicTime::max()); });
  if (first != works_.end() && first->second.due && *first->second.due <= now) read(first->first);
}

// What was wanted when this agent led last is out of date: another one has led since.
void RouteStatusWriter::notice_lead() {
  if (seams_.is_leader() == leads_) return;
  leads_ = !leads_;
  call_.reset();
  works_.clear();
}

void RouteStatusWriter::read(const model::ObjectKey& key) {
  key_ = key;
  judged_ = works_.at(key).wanted;
  rest::Request request;
  request.target = target_of(key);
  request.time_limit = kCallLimit;
  call_ = seams_.client.send(std::move(request),
                             [this](Result<rest::Answer> answer) { on_read(std::move(answer)); });
}

void RouteStatusWriter::on_read(Result<rest::Answer> answer) {
  end_call();
  if (!answer) return on_trouble({answer.error(), {}});
  if (answer->status != 200) return on_refused("GET " + target_of(key_), std::move(*answer));
  const auto edit = edit_status(answer->body, judged_, seams_.clock.wall_now());
  if (!edit) return on_trouble({edit.error(), {}});
  if (edit->state == StatusEdit::State::kOutdated) return look_again(kOutdatedDelay);
  if (edit->state == StatusEdit::State::kSame) return settle();
  // By now another one may lead.
  if (seams_.is_leader()) write(edit->patch);
}

void RouteStatusWriter::write(std::string patch) {
  rest::Request request;
  request.method = "PATCH";
  request.target = target_of(key_) + "/status?fieldManager=" + kFieldManager;
  request.content_type = "application/merge-patch+json";
  request.body = std::move(patch);
  request.time_limit = kCallLimit;
  call_ = seams_.client.send(
      std::move(request), [this](Result<rest::Answer> answer) { on_written(std::move(answer)); });
}

void RouteStatusWriter::on_written(Result<rest::Answer> answer) {
  end_call();
  if (!answer) return on_trouble({answer.error(), {}});
  if (answer->status == 409) return look_again(kCallInterval);  // somebody was faster
  if (answer->status / 100 != 2)
    return on_refused("PATCH " + target_of(key_) + "/status", std::move(*answer));
  ++writes_;
  settle();
}

void RouteStatusWriter::settle() {
  const auto work = works_.find(key_);
  if (work != works_.end() && work->second.wanted == judged_) {
    work->second.due.reset();
    if (!judged_.is_empty()) work->second.due = seams_.clock.now() + kCheckInterval;
  }
  if (work != works_.end() && std::exchange(work->second.error, std::nullopt))
    spdlog::info("component=status object=\"{}\" msg=\"its status is up to date again\"",
                 key_.to_string());
  backoff_.reset();
  seams_.on_schedule();
}

void RouteStatusWriter::look_again(milliseconds pause) {
  const auto work = works_.find(key_);
  if (work != works_.end() && work->second.wanted == judged_)
    work->second.due = seams_.clock.now() + pause;
  seams_.on_schedule();
}

void RouteStatusWriter::on_refused(const std::string& call, rest::Answer answer) {
  const int status = answer.status;
  kube::ApiError why = kube::api_error(call, std::move(answer));
  if (status != 404 && !is_of_one_object(status)) return on_trouble(std::move(why));
  if (status != 404) note_error(std::move(why.error));
  look_again(kRefusedDelay);  // 404: the watch will tell that it is gone
}

void RouteStatusWriter::on_trouble(kube::ApiError why) {
  note_error(std::move(why.error));
  const auto pause = backoff_.next(why.retry_after);
  quiet_until_ = seams_.clock.now() + pause;
  look_again(pause);  // the trouble may be this route's alone: another one is next
}

void RouteStatusWriter::note_error(Error error) {
  const auto work = works_.find(key_);
  if (work == works_.end()) return;
  std::optional<Error>& noted = work->second.error;
  if (!noted || noted->reason != error.reason)
    spdlog::warn("component=status object=\"{}\" reason={} msg=\"its status waits: {}\"",
                 key_.to_string(), reason_name(error.reason), error.message());
  noted = std::move(error);
}

void RouteStatusWriter::end_call() {
  call_.reset();
  quiet_until_ = seams_.clock.now() + kCallInterval;
}

std::optional<Error> RouteStatusWriter::error() const {
  for (const auto& [key, work] : works_)
    if (work.error) return work.error;
  return std::nullopt;
}

}  // namespace keelson::status
