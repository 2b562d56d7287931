#include "source/kube/reflector.h"

#include <algorithm>
#include <utility>

#include "base/content_id.h"

namespace keelson::source {
namespace {

using kube::WatchEvent;

constexpr int kPageObjects = 500;
constexpr std::chrono::seconds kWatchTimeMin{240};  // and up to twice that
constexpr std::chrono::seconds kIdleBeyondWatch{30};
// A server that does not know streaming lists watches from now on and never says that it is
// through.
constexpr std::chrono::seconds kStreamingSilenceMax{20};
constexpr std::chrono::seconds kOpenTimeMax{60};  // the server may queue the request that long
constexpr std::chrono::seconds kMissingLookInterval{30};
// A watch that ends sooner than this was no watch: the next one waits.
constexpr std::chrono::seconds kWatchWorth{5};
// In a row, over some ten seconds: a server that starts may not know its roles yet.
constexpr unsigned kForbiddenBelieved = 5;
constexpr std::chrono::milliseconds kHurrySpread{1000};

}  // namespace

Reflector::Reflector(const kube::Resource& resource, Seams seams, Sink& sink)
    : resource_(resource),
      seams_(std::move(seams)),
      sink_(sink),
      backoff_(seams_.random),
      limit_(kPageObjects) {
  state_.kind = resource.kind;
  state_.heard_at = seams_.clock.now();
}

void Reflector::start() {
  if (phase_ == Phase::kIdle) begin();
}

void Reflector::stop() noexcept {
  call_.reset();
  wake_at_.reset();
  phase_ = Phase::kIdle;
}

ReflectorState Reflector::state() const {
  ReflectorState state = state_;
  state.objects = known_.size();
  state.is_watching = phase_ == Phase::kWatching && is_open_;
  return state;
}

void Reflector::wake() {
  if (!wake_at_ || seams_.clock.now() < *wake_at_) return;
  wake_at_.reset();
  if (phase_ == Phase::kWaiting) return begin();
  if (!is_open_)
    return lose({Reason::server_silent, ErrorSource::kKube, true, 0,
                 call_name() + ": no answer for " + std::to_string(kOpenTimeMax.count()) + " s"});
  if (phase_ == Phase::kStreaming) fall_back_to_pages();
}

void Reflector::begin() {
  if (resource_version_.empty())
    begin_list();
  else
    begin_watch(false);
}

void Reflector::begin_list() {
  ++round_;
  if (is_streaming_refused_)
    ask_page("");
  else
    begin_watch(true);
}

void Reflector::ask_page(std::string continue_token) {
  phase_ = Phase::kListing;
  wake_at_.reset();
  rest::Request request;
  request.target =
      kube::list_target(resource_, version_, seams_.node,
                        {.limit = limit_, .continue_token = std::move(continue_token)});
  request.accept = kube::list_accept(resource_);
  if (limit_ == 0) request.answer_bytes_max *= 4;
  call_ = seams_.client.send(std::move(request),
                             [this](Result<rest::Answer> answer) { on_page(std::move(answer)); });
  sink_.on_progress();
}

void Reflector::on_page(Result<rest::Answer> answer) {
  if (!answer) {
    if (answer.error().reason == Reason::server_answer_too_large && limit_ != 1)
      limit_ = limit_ == 0 ? kPageObjects : limit_ / 2;
    return lose(answer.error());
  }
  if (answer->status != 200) return on_refused(kube::api_error(call_name(), std::move(*answer)));
  auto page = kube::decode_list(resource_, version_, answer->body);
  if (!page) return fail(page.error());
  heard();
  for (kube::ObjectText& object : page->items) store(std::move(object));
  if (!page->continue_token.empty()) return ask_page(std::move(page->continue_token));
  finish_list(std::move(page->resource_version));
  begin_watch(false);
}

void Reflector::finish_list(std::string resource_version) {
  resource_version_ = std::move(resource_version);
  forget_unseen();
  if (std::exchange(state_.is_listed, true) && !state_.is_missing && !is_done_without_)
    ++state_.relists;
  state_.is_missing = is_done_without_ = false;
  is_missing_doubted_ = false;
  versions_missing_ = 0;
  lists_expired_ = 0;
  limit_ = kPageObjects;
  sink_.on_progress();
}

void Reflector::begin_watch(bool sends_initial_events) {
  phase_ = sends_initial_events ? Phase::kStreaming : Phase::kWatching;
  is_open_ = false;
  wake_at_ = seams_.clock.now() + kOpenTimeMax;
  const auto spread = std::chrono::seconds(
      static_cast<int>(seams_.random() * static_cast<double>(kWatchTimeMin.count())));
  const auto time_limit = kWatchTimeMin + spread;
  rest::StreamRequest request;
  request.target =
      kube::watch_target(resource_, version_, seams_.node,
                         {.resource_version = sends_initial_events ? "" : resource_version_,
                          .sends_initial_events = sends_initial_events,
                          .time_limit = time_limit});
  request.accept = kube::watch_accept(resource_);
  request.idle_limit = time_limit + kIdleBeyondWatch;
  call_ = seams_.client.open_stream(
      std::move(request),
      {.on_open = [this] { on_open(); },
       .on_line = [this](std::string line) { on_line(std::move(line)); },
       .on_end = [this](Result<rest::Answer> answer) { on_end(std::move(answer)); }});
  sink_.on_progress();
}

void Reflector::on_open() {
  is_open_ = true;
  opened_at_ = seams_.clock.now();
  heard();
  wake_at_.reset();
  if (phase_ == Phase::kStreaming) wake_at_ = opened_at_ + kStreamingSilenceMax;
  sink_.on_progress();
}

void Reflector::on_line(std::string line) {
  auto event = kube::decode_event(resource_, version_, line);
  if (!event) {
    resource_version_.clear();  // whatever it was, a list has it
    return fail(event.error());
  }
  if (event->type == WatchEvent::Type::kError)
    return on_refused(kube::api_error(call_name(), event->status));
  heard();
  if (phase_ == Phase::kStreaming) {
    wake_at_ = seams_.clock.now() + kStreamingSilenceMax;
  } else {
    resource_version_ = event->object.resource_version;
    backoff_.reset();
  }
  switch (event->type) {
    case WatchEvent::Type::kBookmark:
      return on_bookmark(*event);
    case WatchEvent::Type::kDeleted:
      return forget(event->object);
    default:
      return store(std::move(event->object));
  }
}

void Reflector::on_bookmark(const WatchEvent& event) {
  if (phase_ != Phase::kStreaming) return;
  if (!event.ends_initial_events) return fall_back_to_pages();
  phase_ = Phase::kWatching;
  wake_at_.reset();
  finish_list(event.object.resource_version);
}

void Reflector::on_end(Result<rest::Answer> answer) {
  if (!answer) return lose(answer.error());
  if (answer->status < 200 || answer->status > 299) {
    const bool is_refused =
        phase_ == Phase::kStreaming && (answer->status == 400 || answer->status == 422);
    if (is_refused) return fall_back_to_pages();
    return on_refused(kube::api_error(call_name(), std::move(*answer)));
  }
  if (phase_ == Phase::kStreaming)
    return fail({Reason::http_truncated, ErrorSource::kKube, true, 0,
                 call_name() + ": the streaming list ended before its end was told"});
  ++state_.watch_restarts;
  if (seams_.clock.now() - opened_at_ < kWatchWorth) return wait(backoff_.next());
  backoff_.reset();
  begin_watch(false);
}

void Reflector::fall_back_to_pages() {
  is_streaming_refused_ = true;
  begin_list();
}

std::string Reflector::file_of(const kube::ObjectText& object) const {
  return std::string(resource_.kind) + " " + (object.ns.empty() ? "" : object.ns + "/") +
         object.name;
}

// Nothing is kept of the text but its id: 64 bits of a digest.
void Reflector::store(kube::ObjectText object) {
  std::string file = file_of(object);
  const uint64_t content = content_id(object.text);
  Known& known = known_[file];
  known.round = round_;
  if (std::exchange(known.content, content) == content) return;
  FileChange change;
  change.file = std::move(file);
  change.state = FileChange::State::kObject;
  change.text = std::move(object.text);
  sink_.on_object(std::move(change));
}

void Reflector::forget(const kube::ObjectText& object) {
  FileChange change;
  change.file = file_of(object);
  change.state = FileChange::State::kGone;
  if (known_.erase(change.file) != 0) sink_.on_object(std::move(change));
}

void Reflector::forget_unseen() {
  for (auto at = known_.begin(); at != known_.end();) {
    if (at->second.round == round_) {
      ++at;
      continue;
    }
    FileChange change;
    change.file = at->first;
    change.state = FileChange::State::kGone;
    at = known_.erase(at);
    sink_.on_object(std::move(change));
  }
}

void Reflector::on_refused(const kube::ApiError& refusal) {
  const Reason reason = refusal.error.reason;
  const bool was_away = std::exchange(is_away_, false);
  // It answers again, whatever it says (429 while its storage starts, then 410): how long it was
  // away is no reason to let the next call wait.
  if (was_away) backoff_.reset();
  if (reason == Reason::api_kind_missing && resource_.is_optional) return on_missing();
  if (reason == Reason::api_forbidden && resource_.is_dispensable &&
      ++times_forbidden_ >= kForbiddenBelieved)
    do_without();
  if (reason == Reason::api_version_expired) {
    resource_version_.clear();
    // A list that cannot be finished in time is asked for in one piece.
    if (phase_ == Phase::kListing && ++lists_expired_ >= 2) limit_ = 0;
  } else if (phase_ == Phase::kWatching && reason == Reason::api_refused) {
    resource_version_.clear();  // it may be the version that the server does not like
  }
  fail(refusal.error, refusal.retry_after);
}

void Reflector::on_missing() {
  heard();
  resource_version_.clear();
  const size_t versions = resource_.versions[1].empty() ? 1 : 2;
  version_ = (version_ + 1) % versions;
  if (++versions_missing_ < versions) return begin_list();
  versions_missing_ = 0;
  if (known_.empty() || is_missing_doubted_) {
    ++round_;
    forget_unseen();
    state_.is_missing = state_.is_listed = true;
  }
  is_missing_doubted_ = true;
  wait(std::chrono::duration_cast<std::chrono::milliseconds>(kMissingLookInterval *
                                                             (0.5 + seams_.random())));
}

// A role of an older release may not name the kind: said as a finding, and everything else goes on.
void Reflector::do_without() {
  resource_version_.clear();
  ++round_;
  forget_unseen();
  state_.is_listed = is_done_without_ = true;
}

void Reflector::lose(const Error& error) {
  is_away_ = true;
  fail(error);
}

void Reflector::hurry() {
  if (phase_ != Phase::kWaiting || !is_away_ || !state_.failing_since) return;
  const auto spread =
      std::chrono::duration_cast<std::chrono::milliseconds>(kHurrySpread * seams_.random());
  wake_at_ = std::min(*wake_at_, seams_.clock.now() + spread);
}

void Reflector::fail(const Error& error, std::optional<std::chrono::seconds> retry_after) {
  ++state_.errors[error.reason];
  state_.error = error;
  if (!state_.failing_since) state_.failing_since = seams_.clock.now();
  if (phase_ == Phase::kWatching) ++state_.watch_restarts;
  if (is_open_ && seams_.clock.now() - opened_at_ >= kWatchWorth) backoff_.reset();
  wait(backoff_.next(retry_after));
}

void Reflector::wait(std::chrono::milliseconds delay) {
  call_.reset();
  is_open_ = false;
  phase_ = Phase::kWaiting;
  wake_at_ = seams_.clock.now() + delay;
  sink_.on_progress();
}

void Reflector::heard() {
  const bool is_back = is_away_ && state_.failing_since;
  state_.heard_at = seams_.clock.now();
  state_.failing_since.reset();
  state_.error.reset();
  times_forbidden_ = 0;
  if (is_back) sink_.on_back();
}

std::string Reflector::call_name() const {
  return std::string(phase_ == Phase::kListing ? "list " : "watch ") +
         std::string(resource_.plural);
}

}  // namespace keelson::source
