// Exchange: one request of a pod's application and its answer: which rule, which backend, which
// endpoint, then bytes both ways until both messages have ended. It decides by the configuration it
// began with and no other. Answers itself what no backend can: 404, 500, 503, 504, redirects.
// The only place that knows both sides. One thread: its worker's; run by the downstream connection
// that owns it, in that connection's turns.
#pragma once

#include <memory>
#include <optional>

#include "http/stream.h"
#include "proxy/connection.h"
#include "proxy/exchange/body_pump.h"
#include "proxy/route/route_table.h"
#include "proxy/upstream/pool.h"

namespace keelson::proxy {

class Exchange {
 public:
  // Who asks, and for what Service.
  struct Origin {
    std::shared_ptr<const config::LocalPod> pod;
    Endpoint client;
    Endpoint original;
    uint64_t service_id = 0;
    std::string client_text = client.to_string();
    std::string original_text = original.to_string();
  };
  enum class State : uint8_t {
    kWaiting,
    kMore,    // the budget was spent
    kDone,    // the answer is written to the downstream stream
    kAborted  // the downstream stream must be reset: the answer was cut, or may not begin
  };
  struct Progress {
    State state = State::kWaiting;
    size_t bytes = 0;  // of bodies
  };
  struct Denial {
    Reason reason = Reason::none;
    std::string name;  // of the policy; may be empty
  };

  // `downstream` has delivered `request`. It, `origin` and `wake`'s target outlive the exchange.
  Exchange(const Services& services, const Origin& origin, http::HttpStream& downstream,
           http::MessageHead request, std::function<void()> wake);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Not after kDone or kAborted.
  Progress pump(size_t bytes_max);
  // The same without moving a body: time limits, an upstream connection that has come.
  Progress poll();
  // The downstream side is gone, or `policy` cuts it; ends as kAborted.
  void abort(Reason why, std::string policy = {});
  // Of the request's endpoint, when that is a pod of this node: others judge themselves.
  std::optional<Denial> policy_that_denies(const ServingConfig& config) const;

  // Complete once it is over.
  AccessRecord& record() noexcept { return record_; }
  MonotonicTime since() const noexcept { return since_; }
  size_t bytes_held() const noexcept;
  bool take_starved() noexcept;

 private:
  static constexpr uint16_t kBadRequest = 400, kNotFound = 404, kMethodNotAllowed = 405,
                            kRequestTimeout = 408, kServerError = 500, kBadGateway = 502,
                            kUnavailable = 503, kGatewayTimeout = 504;
  // Connections tried for one request: a second one where the first proved dead before it could
  // have taken the request. Not the retries of a policy.
  static constexpr unsigned kAttemptsMax = 2;

  struct Route {
    RouteTable::Match match{nullptr, nullptr};
    const config::RouteBackend* backend = nullptr;  // null: the Service itself
    const config::EndpointSet* endpoints = nullptr;
  };

  bool is_over() const noexcept { return state_ == State::kDone || state_ == State::kAborted; }

  // Deciding; false: it is answered.
  void decide();
  bool find_rule();
  bool pick_backend();
  const config::EndpointSet* endpoints_of(const std::array<uint64_t, 2>& service) const noexcept;

  // Connecting.
  void connect(const Endpoint* avoid);
  void take_connection();
  void on_connect_failed(const Error& why, const Endpoint& endpoint);

  // Sending, awaiting, responding.
  void begin_sending();
  void pump_both(size_t bytes_max);
  void pump_request(size_t bytes_max);
  void stop_request(const Error& why);
  void end_tunnel();
  bool has_complete_answer() const noexcept;
  void pump_answer(size_t bytes_max);
  Result<void> pass_head(http::MessageHead head);
  bool may_send_again() const noexcept;
  void on_upstream_failed(const Error& why);
  void on_downstream_failed(const Error& why);

  // Ends.
  void start_deadline();
  void start_attempt();
  void check_time();
  void watch_body();
  void answer(uint16_t status, Reason reason, std::string detail = {});
  void answer_with(http::MessageHead head, std::string_view text, Reason reason,
                   std::string detail);
  void drop_upstream(Reason why) noexcept;
  void end(State state, Reason reason, std::string detail);

  const Services& services_;
  const ConfigLease config_;
  const Origin& origin_;
  const std::shared_ptr<const config::LocalPod> pod_;  // as config_ has it
  http::HttpStream& downstream_;
  const std::function<void()> wake_;
  const MonotonicTime since_;
  std::shared_ptr<const config::Service> service_;
  http::MessageHead request_;
  AccessRecord record_;
  Route route_;
  std::optional<Target> target_;
  std::unique_ptr<UpstreamPool::Pending> pending_;
  std::optional<Result<std::unique_ptr<UpstreamConnection>>> connected_;
  std::unique_ptr<UpstreamConnection> upstream_;
  std::unique_ptr<hbone::Alarm> settling_;
  unsigned unsettled_tries_ = 0;
  std::unique_ptr<hbone::Alarm> deadline_;
  std::unique_ptr<hbone::Alarm> attempt_deadline_;
  std::unique_ptr<hbone::Alarm> body_patience_;  // runs while only the client can go on
  uint64_t bytes_when_patient_ = 0;              // of both bodies, when it was started last
  BodyPump request_body_;
  BodyPump answer_body_;
  std::optional<Error> request_error_;  // the backend takes no more of the request
  State state_ = State::kWaiting;
  uint64_t answer_starts_at_ = 0;  // in the upstream stream's bytes
  bool is_decided_ = false;
  bool has_body_ = false;          // the request's
  bool has_answer_begun_ = false;  // its final head is written downstream
  bool is_tunnel_ = false;
};

}  // namespace keelson::proxy
