// SigningService: one signing request's way: limit, token review, rules, pods, signature, log,
// answer. Every refusal has a reason, is counted under it and, within a limit, logged. One thread;
// does no I/O of its own: seams are asked, and answer at once or later. What a caller wrote is
// only ever a question; the identity in a certificate is built here.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "ca/issuance_log.h"
#include "ca/node_limits.h"
#include "ca/seams.h"
#include "ca/signing_pair.h"
#include "keelson_abi/limits.h"

namespace keelson::ca {

inline constexpr size_t kTokenBytesMax = 8192;

struct SignRequest {
  std::string token;
  std::string ns;
  std::string service_account;
  std::string csr;  // PEM or DER
};

struct SignAnswer {
  std::string chain;  // PEM, leaf first, without the root
  std::string trust;  // PEM, the signing root first
  WallTime not_before;
  WallTime not_after;
};

class SigningService {
 public:
  using Done = std::function<void(Result<SignAnswer>)>;
  using Roots = std::function<const RootSet*()>;  // null: there are none to sign with

  struct Options {
    AgentAccount agents = {};
    LeafRules leaf = {};
    NodeRate rate = {};
    NodeRate refusal_lines{.burst = 60, .per_minute = 60};  // in the log, of each node
    size_t in_work_max = 256;                               // more: ca_overloaded
  };
  struct Seams {
    const Clock& clock;
    TokenReviewer& tokens;
    PodLookup& pods;
    IssuanceLog& log;
    Roots roots;
  };  // all outlive the service
  SigningService(Options options, Seams seams);
  SigningService(const SigningService&) = delete;
  SigningService& operator=(const SigningService&) = delete;

  // Calls `done` once, perhaps before it returns; not after the service is gone.
  void sign(SignRequest request, Done done);

  size_t in_work() const noexcept { return in_work_; }
  uint64_t issued_total() const noexcept { return issued_total_; }
  uint64_t refused_total(Reason reason) const noexcept {
    return refused_[static_cast<size_t>(reason)];
  }

 private:
  struct Work;
  using WorkPtr = std::shared_ptr<Work>;

  Result<void> admit(const SignRequest& request) const;
  void on_token(const WorkPtr& work, const ReviewedToken& token);
  Result<void> judge_request(Work& work, const ReviewedToken& token);
  void look_up(const WorkPtr& work, const std::string& ns, const std::string& service_account,
               std::function<void(const std::vector<PodRecord>&)> then);
  void on_pods(const WorkPtr& work, const std::vector<PodRecord>& pods);
  Result<SignAnswer> issue(const Work& work, const PodRecord& pod);
  void refuse(const WorkPtr& work, Error error);
  void finish(const WorkPtr& work, Result<SignAnswer> answer);

  const Options options_;
  const Seams seams_;
  NodeLimits limits_;
  NodeLimits refusal_lines_;
  size_t in_work_ = 0;
  uint64_t issued_total_ = 0;
  std::array<uint64_t, KS_REASONS_MAX> refused_{};
  std::shared_ptr<SigningService*> self_;
};

}  // namespace keelson::ca
