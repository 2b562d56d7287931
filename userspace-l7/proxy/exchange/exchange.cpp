#include "proxy/exchange/exchange.h"

#include "base/assert.h"
#include "proxy/filters/filters.h"
#include "proxy/route/backend_choice.h"
#include "proxy/upstream/balancer.h"
#include "proxy/upstream/connector.h"

namespace keelson::proxy {
namespace {

using http::EndOfMessage;

// RFC 9110 section 9.2.2: may be sent twice.
bool is_idempotent(std::string_view method) noexcept {
  for (const std::string_view known : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})
    if (method == known) return true;
  return false;
}

// As the configuration has it now. One that left the mesh keeps what was established.
std::shared_ptr<const config::LocalPod> current(const ServingConfig& config,
                                                std::shared_ptr<const config::LocalPod> pod) {
  auto now = config.pod(pod->uid);
  return now && now->netns_cookie == pod->netns_cookie ? now : pod;
}

// Of requests that no route concerns: to the Service's own endpoints, as they are.
const config::RouteRule kNoRule;
const config::RequestMatch kAnyRequest;

}  // namespace

Exchange::Exchange(const Services& services, const Origin& origin, http::HttpStream& downstream,
                   http::MessageHead request, std::function<void()> wake)
    : services_(services),
      config_(services.config),
      origin_(origin),
      pod_(current(*config_, origin.pod)),
      downstream_(downstream),
      wake_(std::move(wake)),
      since_(services.clock.now()),
      request_(std::move(request)),
      request_body_(services.blocks),
      answer_body_(services.blocks) {
  services.stats.requests_total.add();
  record_.path = Path::kOutbound;
  record_.generation = config_->generation();
  record_.source = pod_->ns + "/" + pod_->name;
  if (const auto* own = config_->identity(pod_->identity))
    record_.source_identity = "spiffe://" + own->name;
  record_.source_address = origin_.client_text;
  record_.destination_address = origin_.original_text;
  auto& http = record_.http.emplace();
  http.method = request_.method;
  http.authority = request_.authority;
  http.path = request_.path();
}

Exchange::~Exchange() = default;

Exchange::Progress Exchange::pump(size_t bytes_max) {
  const uint64_t before = request_body_.bytes() + answer_body_.bytes();
  state_ = State::kWaiting;
  if (!is_decided_) decide();
  if (!is_over()) poll();
  if (!is_over() && upstream_) pump_both(bytes_max);
  if (!is_over()) watch_body();
  return {state_, request_body_.bytes() + answer_body_.bytes() - before};
}

Exchange::Progress Exchange::poll() {
  state_ = State::kWaiting;
  check_time();
  if (!is_over() && settling_ && !settling_->is_running()) {
    settling_.reset();
    connect(nullptr);
  }
  if (!is_over() && connected_) take_connection();
  return {state_, 0};
}

// ---- deciding ---------------------------------------------------------------------------------

void Exchange::decide() {
  is_decided_ = true;
  const auto found = config_->runtime->services.find(origin_.service_id);
  if (found == config_->runtime->services.end())
    return answer(kUnavailable, Reason::destination_unknown, "the Service is gone");
  service_ = found->second;
  record_.service = service_->ns + "/" + service_->name;
  if (request_.method == "CONNECT") return answer(kMethodNotAllowed, Reason::http_method_refused);
  if (request_.authority.empty()) request_.authority = service_->name + "." + service_->ns;
  if (!find_rule() || !pick_backend()) return;
  start_deadline();
  // What has arrived already tells whether there is a body to be waited for.
  const BodyPump::State ahead = request_body_.read_ahead(downstream_);
  if (ahead == BodyPump::State::kSourceFailed) return on_downstream_failed(request_body_.error());
  has_body_ = ahead != BodyPump::State::kEnded || request_body_.bytes_held() > 0;
  connect(nullptr);
}

// True: go on; else the request is answered.
bool Exchange::find_rule() {
  route_.match = {&kNoRule, &kAnyRequest};
  const config::RouteSet* set = service_->routes ? service_->routes->for_client(pod_->ns) : nullptr;
  if (set == nullptr) return true;
  const RouteTable* table = config_->route_table(set);
  if (table == nullptr) return answer(kServerError, Reason::route_unusable), false;
  const auto match = table->match(request_);
  if (!match) return answer(kNotFound, Reason::route_not_found), false;
  route_.match = *match;
  const config::RouteRule& rule = *match->rule;
  record_.http->rule = rule.name;
  modify_headers(rule.request_headers, request_);
  if (rule.redirect) {
    http::MessageHead redirect =
        make_redirect(*rule.redirect, *match->match, request_, service_->port);
    modify_headers(rule.response_headers, redirect);
    return answer_with(std::move(redirect), {}, Reason::redirected, {}), false;
  }
  if (rule.rewrite) rewrite(*rule.rewrite, *match->match, request_);
  return true;
}

bool Exchange::pick_backend() {
  if (route_.match.rule == &kNoRule) {
    record_.http->backend = record_.service + ":" + std::to_string(service_->port);
    route_.endpoints = endpoints_of(service_->ids);
  } else {
    route_.backend = choose_backend(*route_.match.rule, services_.rng.next());
    if (route_.backend == nullptr)
      return answer(kServerError, Reason::route_without_backend), false;
    record_.http->backend = route_.backend->name;
    if (!route_.backend->is_valid)
      return answer(kServerError, Reason::backend_invalid, route_.backend->name), false;
    modify_headers(route_.backend->request_headers, request_);
    route_.endpoints = endpoints_of(route_.backend->service);
  }
  if (route_.endpoints == nullptr)
    return answer(kUnavailable, Reason::no_endpoint, record_.http->backend), false;
  return true;
}

// The family that was dialled where it has endpoints, else the other; null: neither has.
const config::EndpointSet* Exchange::endpoints_of(
    const std::array<uint64_t, 2>& service) const noexcept {
  const size_t first = origin_.original.address.family() == KS_FAMILY_4 ? 0 : 1;
  for (const size_t family : {first, 1 - first}) {
    const auto found = config_->runtime->endpoints.find(service[family]);
    if (service[family] != 0 && found != config_->runtime->endpoints.end() &&
        !found->second->endpoints.empty())
      return found->second.get();
  }
  return nullptr;
}

// ---- connecting -------------------------------------------------------------------------------

void Exchange::connect(const Endpoint* avoid) {
  record_.http->attempts++;
  const Endpoint* endpoint = choose_endpoint(
      *route_.endpoints, services_.rng.next(),
      [this](const Endpoint& at) { return services_.upstreams.in_use(at); }, avoid);
  KS_ASSERT(endpoint != nullptr);
  record_.destination_address = endpoint->to_string();
  // Who owns an address and whether it is ready is not the route's to remember: the newest counts.
  auto target = resolve_target(*services_.config, pod_, *endpoint);
  if (!target) return on_connect_failed(target.error(), *endpoint);
  target_ = std::move(*target);
  target_->client = origin_.client;
  target_->service = service_;
  record_.destination = target_->workload;
  if (const auto* theirs = config_->identity(target_->destination_identity))
    record_.destination_identity = "spiffe://" + theirs->name;
  if (auto policy = policy_that_denies(*services_.config)) {
    if (policy->reason == Reason::pod_unknown)
      return on_connect_failed({policy->reason, ErrorSource::kConfig, false, 0, {}}, *endpoint);
    record_.policy = std::move(policy->name);
    return end(State::kAborted, policy->reason, {});
  }
  start_attempt();
  // A connection that died while it was kept is replaced by a fresh one.
  if (record_.http->attempts == 1) upstream_ = services_.upstreams.take_idle(*target_);
  if (upstream_) return begin_sending();
  auto pending =
      services_.upstreams.open(*target_, [this](Result<std::unique_ptr<UpstreamConnection>> made) {
        connected_ = std::move(made);
        wake_();
      });
  if (!pending) return on_connect_failed(pending.error(), *endpoint);
  pending_ = std::move(*pending);
}

void Exchange::take_connection() {
  auto made = std::move(*connected_);
  connected_.reset();
  pending_.reset();
  if (!made) return on_connect_failed(made.error(), target_->destination);
  upstream_ = std::move(*made);
  begin_sending();
}

// Nothing has been sent: another endpoint may get the request, whatever it is.
void Exchange::on_connect_failed(const Error& why, const Endpoint& endpoint) {
  if (why.reason == Reason::hbone_denied_by_peer)
    return end(State::kAborted, why.reason, why.message());
  if (is_unsettled(why) && unsettled_tries_++ < kUnsettledTriesMax) {
    record_.http->attempts--;
    services_.stats.count(Reason::unsettled_retried);
    settling_ = services_.alarms.make(wake_);
    return settling_->start(kUnsettledRetry);
  }
  if (record_.http->attempts < kAttemptsMax && route_.endpoints->endpoints.size() > 1) {
    const Endpoint failed = endpoint;  // may be in what connect() replaces
    return connect(&failed);
  }
  answer(kUnavailable, why.reason, why.message());
}

std::optional<Exchange::Denial> Exchange::policy_that_denies(const ServingConfig& config) const {
  if (!target_ || target_->way != Target::Way::kLocal) return std::nullopt;
  const config::Decision decision = judge(config, *target_);
  if (decision.verdict == KS_ALLOW) return std::nullopt;
  const auto receiver = config.pod(target_->receiver->uid);
  return Denial{decision.reason, receiver ? std::string(config.runtime->policy_name(
                                                receiver->policy_set, decision.policy))
                                          : std::string()};
}

// ---- sending, awaiting, responding ------------------------------------------------------------

void Exchange::begin_sending() {
  H1ClientStream& stream = *upstream_->stream;
  stream.set_wake(wake_);
  answer_starts_at_ = stream.bytes_read();
  auto written = stream.write_head(request_, has_body_ ? EndOfMessage::kNo : EndOfMessage::kYes);
  if (!written) return on_upstream_failed(written.error());
  if (!has_body_) request_body_.mark_ended();
}

void Exchange::pump_both(size_t bytes_max) {
  // Each direction gets half, so that an upload cannot starve its own answer.
  if (!request_body_.is_ended()) pump_request(bytes_max / 2 + 1);
  if (upstream_ && !is_over() && !request_error_) {
    if (auto flushed = upstream_->stream->flush(); !flushed) stop_request(flushed.error());
  }
  if (upstream_ && !is_over()) pump_answer(bytes_max / 2 + 1);
  // What the backend had still to say has been read: no more will come.
  if (upstream_ && state_ == State::kWaiting && request_error_ && !has_complete_answer())
    on_upstream_failed(*request_error_);
  // It has overtaken the request just now, whose rest is dropped from the next turn on.
  if (upstream_ && state_ == State::kWaiting && !request_error_ && !request_body_.is_ended() &&
      !is_tunnel_ && upstream_->stream->codec().is_closing())
    state_ = State::kMore;
}

// An answer may come before the request has ended; it is what counts (RFC 9110 section 7.5).
void Exchange::stop_request(const Error& why) {
  if (!request_error_) request_error_ = why;
}

bool Exchange::has_complete_answer() const noexcept {
  return answer_body_.has_source_ended() || upstream_->stream->codec().is_closing();
}

void Exchange::pump_request(size_t bytes_max) {
  if (!is_tunnel_ && upstream_->stream->codec().is_closing())
    stop_request({Reason::answered, ErrorSource::kUpstream, false, 0, {}});
  if (request_error_) {
    const auto dropped = request_body_.discard(downstream_, bytes_max);
    if (dropped == BodyPump::State::kSourceFailed) on_downstream_failed(request_body_.error());
    if (dropped == BodyPump::State::kMore) state_ = State::kMore;
    return;
  }
  switch (request_body_.pump(downstream_, *upstream_->stream, bytes_max)) {
    case BodyPump::State::kSourceFailed:
      return on_downstream_failed(request_body_.error());
    case BodyPump::State::kSinkFailed:
      return stop_request(request_body_.error());
    case BodyPump::State::kMore:
      state_ = State::kMore;
      return;
    default:
      return;
  }
}

void Exchange::pump_answer(size_t bytes_max) {
  if (answer_body_.is_ended()) return end_tunnel();
  while (!has_answer_begun_) {
    auto head = upstream_->stream->read_head();
    if (!head) return on_upstream_failed(head.error());
    if (!*head) return;
    if (auto passed = pass_head(std::move(**head)); !passed)
      return on_downstream_failed(passed.error());
  }
  switch (answer_body_.pump(*upstream_->stream, downstream_, bytes_max)) {
    case BodyPump::State::kSourceFailed:
      return on_upstream_failed(answer_body_.error());
    case BodyPump::State::kSinkFailed:
      return on_downstream_failed(answer_body_.error());
    case BodyPump::State::kMore:
      state_ = State::kMore;
      return;
    case BodyPump::State::kEnded:
      if (is_tunnel_) return end_tunnel();
      return end(State::kDone, Reason::answered, {});
    default:
      return;
  }
}

// The backend has ended its direction; the client's goes on until its last byte is sent.
void Exchange::end_tunnel() {
  if (!request_body_.is_ended() && !request_error_) return;
  if (!request_error_ && upstream_->stream->has_unsent()) return;
  end(State::kDone, Reason::answered, {});
}

Result<void> Exchange::pass_head(http::MessageHead head) {
  is_tunnel_ = head.status == 101;
  if (head.status / 100 == 1 && !is_tunnel_) return downstream_.write_head(head, EndOfMessage::kNo);
  if (route_.backend != nullptr) modify_headers(route_.backend->response_headers, head);
  modify_headers(route_.match.rule->response_headers, head);
  record_.http->status = head.status;
  has_answer_begun_ = true;
  KS_TRY(downstream_.write_head(head, EndOfMessage::kNo));
  if (!is_tunnel_) return {};
  // From now on both directions are opaque and as long as they like.
  request_body_.begin_again();
  state_ = State::kMore;  // its first bytes may have come with the request
  deadline_.reset();
  attempt_deadline_.reset();
  return {};
}

// RFC 9110 section 9.2.2 and RFC 9112 section 9.3.1: a kept connection may have ended just before.
bool Exchange::may_send_again() const noexcept {
  return upstream_->is_reused && !has_answer_begun_ && record_.http->attempts < kAttemptsMax &&
         !has_body_ && is_idempotent(request_.method) &&
         upstream_->stream->bytes_read() == answer_starts_at_;
}

void Exchange::on_upstream_failed(const Error& why) {
  if (may_send_again()) {
    drop_upstream(why.reason);
    return connect(nullptr);
  }
  drop_upstream(why.reason);
  if (!has_answer_begun_) return answer(kBadGateway, Reason::upstream_failed, why.message());
  end(State::kAborted, Reason::upstream_failed, why.message());
}

void Exchange::on_downstream_failed(const Error& why) {
  drop_upstream(Reason::downstream_ended);
  // A malformed body is answered; a client that is gone, or an answer that was cut, cannot be.
  if (why.source == ErrorSource::kDownstream && why.reason != Reason::stream_reset &&
      why.reason != Reason::http_truncated && !has_answer_begun_)
    return answer(kBadRequest, why.reason, why.message());
  end(State::kAborted, why.reason, why.message());
}

// ---- ends -------------------------------------------------------------------------------------

void Exchange::start_deadline() {
  const auto limit = route_.match.rule->request_timeout;
  if (limit.count() == 0) return;
  deadline_ = services_.alarms.make(wake_);
  deadline_->start(limit);
}

void Exchange::start_attempt() {
  const auto limit = route_.match.rule->backend_timeout;
  if (limit.count() == 0) return;
  attempt_deadline_ = services_.alarms.make(wake_);
  attempt_deadline_->start(limit);
}

void Exchange::check_time() {
  const bool is_late = (deadline_ && !deadline_->is_running()) ||
                       (attempt_deadline_ && !attempt_deadline_->is_running());
  if (!is_late) return;
  drop_upstream(Reason::request_timeout);
  if (has_answer_begun_) return end(State::kAborted, Reason::request_timeout, {});
  answer(kGatewayTimeout, Reason::request_timeout);
}

// In a turn that has taken what there was: what came in time counts.
void Exchange::watch_body() {
  const bool is_awaited = upstream_ && !is_tunnel_ && !request_error_ &&
                          !request_body_.has_source_ended() && request_body_.bytes_held() == 0 &&
                          !upstream_->stream->has_unsent();
  if (!is_awaited) return body_patience_.reset();
  const uint64_t bytes = request_body_.bytes() + answer_body_.bytes();
  const bool has_moved = std::exchange(bytes_when_patient_, bytes) != bytes;
  if (body_patience_ && !has_moved) {
    if (body_patience_->is_running()) return;
    drop_upstream(Reason::http_body_timeout);
    if (has_answer_begun_) return end(State::kAborted, Reason::http_body_timeout, {});
    return answer(kRequestTimeout, Reason::http_body_timeout);
  }
  if (!body_patience_) body_patience_ = services_.alarms.make(wake_);
  body_patience_->start(kHttpBodyTime);
}

void Exchange::answer(uint16_t status, Reason reason, std::string detail) {
  http::MessageHead head;
  head.status = status;
  head.headers.add("content-type", "text/plain");
  // For whoever sees the answer and not our log.
  head.headers.add("x-keelson-reason", reason_name(reason));
  const std::string text = "keelson: " + std::string(reason_text(reason)) + "\n";
  answer_with(std::move(head), text, reason, std::move(detail));
}

void Exchange::answer_with(http::MessageHead head, std::string_view text, Reason reason,
                           std::string detail) {
  record_.http->status = head.status;
  has_answer_begun_ = true;
  BufferChain body(services_.blocks);
  if (!body.append(text)) text = {};
  head.content_length = text.size();
  auto written = downstream_.write_head(head, EndOfMessage::kNo);
  if (written && record_.http->method != "HEAD" && !text.empty()) {
    auto taken = downstream_.write_body(body);
    if (!taken) written = Failure(taken.error());
  }
  if (written) written = downstream_.write_end(nullptr);
  if (!written) return end(State::kAborted, reason, written.error().message());
  end(State::kDone, reason, std::move(detail));
}

void Exchange::abort(Reason why, std::string policy) {
  record_.policy = std::move(policy);
  drop_upstream(why);
  end(State::kAborted, why, {});
}

void Exchange::drop_upstream(Reason why) noexcept {
  pending_.reset();
  connected_.reset();
  if (!upstream_) return;
  upstream_->stream->cancel(why);
  services_.upstreams.give_back(std::move(upstream_));
}

void Exchange::end(State state, Reason reason, std::string detail) {
  state_ = state;
  record_.reason = reason;
  record_.detail = std::move(detail);
  record_.bytes_sent = request_body_.bytes();
  record_.bytes_received = answer_body_.bytes();
  services_.stats.bytes_sent_total.add(record_.bytes_sent);
  services_.stats.bytes_received_total.add(record_.bytes_received);
  pending_.reset();
  if (!upstream_) return;
  if (state == State::kAborted) return drop_upstream(reason);
  upstream_->stream->set_wake(nullptr);
  services_.upstreams.give_back(std::move(upstream_));
}

bool Exchange::take_starved() noexcept {
  bool is_starved = request_body_.take_starved();
  is_starved |= answer_body_.take_starved();
  if (upstream_) is_starved |= upstream_->stream->take_starved();
  return is_starved;
}

size_t Exchange::bytes_held() const noexcept {
  return request_body_.bytes_held() + answer_body_.bytes_held() +
         (upstream_ ? upstream_->stream->bytes_held() : 0);
}

}  // namespace keelson::proxy
