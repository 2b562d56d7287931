#include "ca/signing_service.h"

#include <algorithm>
#include <utility>

#include "base/content_id.h"
#include "tls/certificates.h"

namespace keelson::ca {
namespace {

Failure refuse_with(Reason reason, std::string what) {
  return fail(reason, ErrorSource::kDownstream, std::move(what));
}

// RFC 6750 2.1, so that a token may stand in a request to the API server.
bool is_bearer_token(std::string_view token) noexcept {
  const auto is_token_character = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~' || c == '+' || c == '/' || c == '=';
  };
  return !token.empty() && token.size() <= kTokenBytesMax &&
         std::all_of(token.begin(), token.end(), is_token_character);
}

}  // namespace

struct SigningService::Work {
  SignRequest request;
  Done done;
  std::optional<Caller> caller;
  std::optional<CertificateRequest> csr;
  tls::SpiffeId id;
};

SigningService::SigningService(Options options, Seams seams)
    : options_(std::move(options)),
      seams_(std::move(seams)),
      limits_(options_.rate),
      refusal_lines_(options_.refusal_lines),
      self_(std::make_shared<SigningService*>(this)) {}

void SigningService::sign(SignRequest request, Done done) {
  const auto work = std::make_shared<Work>();
  work->request = std::move(request);
  work->done = std::move(done);
  ++in_work_;
  if (auto admitted = admit(work->request); !admitted)
    return refuse(work, std::move(admitted).error());
  const std::weak_ptr<SigningService*> self = self_;
  seams_.tokens.review(work->request.token, options_.agents.audience,
                       [self, work](Result<ReviewedToken> token) {
                         const auto service = self.lock();
                         if (!service) return;
                         if (!token) return (*service)->refuse(work, std::move(token).error());
                         (*service)->on_token(work, *token);
                       });
}

// What costs nothing to find out, before the API server is asked.
Result<void> SigningService::admit(const SignRequest& request) const {
  if (in_work_ > options_.in_work_max) return refuse_with(Reason::ca_overloaded, {});
  if (seams_.roots() == nullptr) return refuse_with(Reason::ca_root_missing, {});
  if (!is_bearer_token(request.token))
    return refuse_with(Reason::ca_token_refused, "no bearer token");
  if (request.ns.empty() || request.service_account.empty() || request.csr.empty())
    return refuse_with(Reason::ca_request_malformed, "wanted: csr, namespace, serviceAccount");
  return {};
}

void SigningService::on_token(const WorkPtr& work, const ReviewedToken& token) {
  if (auto judged = judge_request(*work, token); !judged)
    return refuse(work, std::move(judged).error());
  look_up(work, options_.agents.ns, options_.agents.name,
          [this, work](const std::vector<PodRecord>& pods) {
            if (auto judged = judge_caller(*work->caller, options_.agents, pods); !judged)
              return refuse(work, std::move(judged).error());
            // Last, so that nothing but the signature lies between the look at the pod and its
            // certificate.
            look_up(work, work->request.ns, work->request.service_account,
                    [this, work](const std::vector<PodRecord>& asked) { on_pods(work, asked); });
          });
}

// The node's limit comes before anything that costs: a signature check, or a look at its pods.
Result<void> SigningService::judge_request(Work& work, const ReviewedToken& token) {
  KS_ASSIGN(work.caller, judge_token(token, options_.agents));
  if (!limits_.take(work.caller->node, seams_.clock.now()))
    return refuse_with(Reason::ca_node_limit, work.caller->node);
  KS_ASSIGN(work.id, tls::SpiffeId::make(options_.leaf.trust_domain, work.request.ns,
                                         work.request.service_account));
  KS_ASSIGN(work.csr, CertificateRequest::parse(work.request.csr));
  if (work.csr->claimed_id() && *work.csr->claimed_id() != work.id)
    return refuse_with(Reason::csr_identity_mismatch, work.csr->claimed_id()->to_string());
  return {};
}

void SigningService::look_up(const WorkPtr& work, const std::string& ns,
                             const std::string& service_account,
                             std::function<void(const std::vector<PodRecord>&)> then) {
  const std::weak_ptr<SigningService*> self = self_;
  seams_.pods.pods_on(work->caller->node, ns, service_account,
                      [self, work, then = std::move(then)](Result<std::vector<PodRecord>> pods) {
                        const auto service = self.lock();
                        if (!service) return;
                        if (!pods) return (*service)->refuse(work, std::move(pods).error());
                        then(*pods);
                      });
}

void SigningService::on_pods(const WorkPtr& work, const std::vector<PodRecord>& pods) {
  const auto pod = find_live_pod(*work->caller, work->request.ns, work->request.service_account,
                                 pods, seams_.clock.wall_now());
  if (!pod) return refuse(work, pod.error());
  auto answer = issue(*work, *pod);
  if (!answer) return refuse(work, std::move(answer).error());
  ++issued_total_;
  finish(work, std::move(answer));
}

Result<SignAnswer> SigningService::issue(const Work& work, const PodRecord& pod) {
  const RootSet* roots = seams_.roots();  // asked again: it may have become stale meanwhile
  if (roots == nullptr) return refuse_with(Reason::ca_root_missing, {});
  const WallTime now = seams_.clock.wall_now();
  KS_ASSIGN(const tls::CertPtr leaf,
            sign_leaf(roots->signing, options_.leaf, *work.csr, work.id, now));
  IssuanceRecord record;
  record.time = now;
  record.caller = work.caller;
  record.ns = work.request.ns;
  record.service_account = work.request.service_account;
  record.spiffe_id = work.id.to_string();
  record.pod_ns = pod.ns;
  record.pod_name = pod.name;
  record.pod_uid = pod.uid;
  record.serial = tls::serial_hex(leaf.get());
  record.fingerprint = sha256_hex(tls::to_der(leaf.get()));
  record.not_after = tls::not_after(leaf.get());
  KS_TRY(seams_.log.write_issued(record));
  return SignAnswer{tls::to_pem(leaf.get()), roots->bundle_pem(), tls::not_before(leaf.get()),
                    tls::not_after(leaf.get())};
}

void SigningService::refuse(const WorkPtr& work, Error error) {
  ++refused_[static_cast<size_t>(error.reason)];
  const std::string node = work->caller ? work->caller->node : std::string();
  if (refusal_lines_.take(node, seams_.clock.now())) {
    IssuanceRecord record;
    record.time = seams_.clock.wall_now();
    record.caller = work->caller;
    record.ns = work->request.ns;
    record.service_account = work->request.service_account;
    record.refused = error.reason;
    record.detail = error.message();
    seams_.log.write_refused(record);
  }
  finish(work, Failure(std::move(error)));
}

void SigningService::finish(const WorkPtr& work, Result<SignAnswer> answer) {
  const Done done = std::exchange(work->done, nullptr);
  if (!done) return;
  --in_work_;
  done(std::move(answer));
}

}  // namespace keelson::ca
