#include "ca/server/handler.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "ca/server/pod_text.h"
#include "document/parse.h"
#include "tls/certificates.h"

namespace keelson::ca {
namespace {

using serving::Request;
using serving::Response;
using Json = nlohmann::ordered_json;

constexpr std::chrono::seconds kRetryAfter{5};

int64_t to_seconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

Response plain(int status, std::string text) {
  return {status, "text/plain; charset=utf-8", std::move(text), nullptr};
}

Response problem(const Error& error) {
  Response response;
  response.status = status_for(error.reason);
  const bool is_proven = response.status != 401;
  const Json body{
      {"error",
       {{"code", reason_name(error.reason)},
        {"message", is_proven ? error.message() : std::string(reason_text(error.reason))},
        {"next", ""}}}};
  response.body = body.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
  if (response.status == 429 || response.status == 503) response.retry_after = kRetryAfter;
  return response;
}

Response answer_of(const Result<SignAnswer>& result) {
  if (!result) return problem(result.error());
  const Json body{{"chain", result->chain},
                  {"trust", result->trust},
                  {"notBefore", to_seconds(result->not_before)},
                  {"notAfter", to_seconds(result->not_after)}};
  return {200, "application/json", body.dump() + "\n", nullptr};
}

// What the service's answer and the connection share; either may go first.
struct Slot {
  std::optional<Response> response;
  std::function<void()> wake;
};

class PendingSignature final : public serving::PendingAnswer {
 public:
  explicit PendingSignature(std::shared_ptr<Slot> slot) : slot_(std::move(slot)) {}
  ~PendingSignature() override { slot_->wake = nullptr; }
  std::optional<Response> take() override { return std::exchange(slot_->response, std::nullopt); }
  void set_wake(std::function<void()> wake) override {
    slot_->wake = std::move(wake);
    if (slot_->response) slot_->wake();
  }

 private:
  const std::shared_ptr<Slot> slot_;
};

std::string bearer(const std::string& authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  return authorization.starts_with(kScheme) ? authorization.substr(kScheme.size()) : std::string();
}

class Families {
 public:
  void begin(const char* name, const char* help, prometheus::MetricType type) {
    families_.push_back({name, help, type, {}});
  }
  void add(double value, std::vector<prometheus::ClientMetric::Label> labels = {}) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    if (families_.back().type == prometheus::MetricType::Counter)
      metric.counter.value = value;
    else
      metric.gauge.value = value;
    families_.back().metric.push_back(std::move(metric));
  }
  void counter(const char* name, const char* help, uint64_t value) {
    begin(name, help, prometheus::MetricType::Counter);
    add(static_cast<double>(value));
  }
  void gauge(const char* name, const char* help, double value) {
    begin(name, help, prometheus::MetricType::Gauge);
    add(value);
  }
  std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace

int status_for(Reason reason) noexcept {
  switch (reason) {
    case Reason::ca_request_malformed:
    case Reason::spiffe_id_malformed:
    case Reason::csr_malformed:
    case Reason::csr_key_refused:
    case Reason::csr_proof_failed:
    case Reason::csr_identity_mismatch:
      return 400;
    case Reason::ca_token_refused:
    case Reason::ca_audience_refused:
      return 401;
    case Reason::ca_caller_refused:
    case Reason::ca_node_unproven:
    case Reason::ca_caller_gone:
    case Reason::ca_no_live_pod:
    case Reason::ca_pod_terminal:
    case Reason::host_network:
      return 403;
    case Reason::ca_node_limit:
      return 429;
    case Reason::internal:
    case Reason::issuance_log_failed:
    case Reason::certificate_expired:
      return 500;
    default:  // somebody behind the CA could not be asked
      return 503;
  }
}

serving::Response CaHandler::handle(const Request& request) {
  if (request.path == "/v1/sign") {
    if (request.method == "POST") return sign(request);
    Response refused = serving::refusal(405, Reason::bad_usage);
    refused.allow = "POST";
    return refused;
  }
  const bool is_known =
      request.path == "/healthz" || request.path == "/readyz" || request.path == "/metrics";
  if (!is_known) return serving::refusal(404, Reason::not_found);
  if (request.method != "GET" && request.method != "HEAD")
    return serving::refusal(405, Reason::bad_usage);
  if (request.path == "/healthz") return plain(200, "ok\n");
  if (request.path == "/metrics")
    return {200, "text/plain; version=0.0.4; charset=utf-8", metrics(), nullptr};
  return parts_.roots.usable() != nullptr ? plain(200, "ready\n")
                                          : plain(503, "no root to sign with\n");
}

serving::Response CaHandler::sign(const Request& request) {
  const auto body = document::parse_json(request.body, "request");
  const auto field = [&body](std::string_view name) {
    const document::Value* value = body ? body->find(name) : nullptr;
    return value != nullptr && value->is_string() ? value->text() : std::string();
  };
  SignRequest wanted{bearer(request.authorization), field("namespace"), field("serviceAccount"),
                     field("csr")};
  const auto slot = std::make_shared<Slot>();
  parts_.service.sign(std::move(wanted), [slot](Result<SignAnswer> result) {
    slot->response = answer_of(result);
    if (slot->wake) slot->wake();
  });
  if (slot->response) return std::move(*slot->response);
  Response response;
  response.pending = std::make_unique<PendingSignature>(slot);
  return response;
}

std::string CaHandler::metrics() const {
  Families out;
  out.counter("keelson_ca_certificates_issued_total", "Certificates that were signed.",
              parts_.service.issued_total());
  out.begin("keelson_ca_requests_refused_total", "Signing requests that were refused.",
            prometheus::MetricType::Counter);
  for (const ReasonInfo& info : kReasons) {
    const uint64_t count = parts_.service.refused_total(info.reason);
    const auto number = static_cast<int>(info.reason);
    const bool is_ours = (number >= 319 && number <= 322) || (number >= 330 && number < 350);
    if (is_ours || count > 0)
      out.add(static_cast<double>(count), {{"reason", std::string(info.name)}});
  }
  out.gauge("keelson_ca_requests_in_work", "Signing requests that wait for an answer.",
            static_cast<double>(parts_.service.in_work()));
  out.counter("keelson_ca_log_failures_total", "Lines that the issuance log did not take.",
              parts_.log.failures());
  out.counter("keelson_ca_root_steps_total", "Steps of root rotations that this process took.",
              parts_.roots.steps_total());
  out.counter("keelson_ca_root_failures_total", "Looks at the roots that ended in an error.",
              parts_.roots.failures_total());
  const RootSet& roots = parts_.roots.roots();
  out.gauge("keelson_ca_roots", "Roots in the trust bundle.",
            static_cast<double>(roots.trusted().size()));
  out.gauge("keelson_ca_root_usable", "1 if there is a root to sign with.",
            parts_.roots.usable() != nullptr ? 1 : 0);
  if (roots.has_root())
    out.gauge("keelson_ca_root_expiry_timestamp_seconds", "End of the signing root.",
              static_cast<double>(to_seconds(tls::not_after(roots.signing.certificate.get()))));
  out.gauge("keelson_ca_serving_expiry_timestamp_seconds", "End of the CA's own certificate.",
            static_cast<double>(to_seconds(parts_.serving_ends())));
  return out.text();
}

}  // namespace keelson::ca
