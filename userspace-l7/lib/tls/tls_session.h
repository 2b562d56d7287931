// TlsSession: one SSL with its wire and peer check: the part of a TlsStream that travels to the
// signer's thread for a handshake step. One thread at a time. It outlives its stream if that
// dies while a step is away; then on_done() finds no owner.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <vector>

#include "tls/record_bio.h"
#include "tls/signer.h"
#include "tls/tls_context.h"

namespace keelson::tls {

class TlsStream;

class TlsSession final : public HandshakeStep {
 public:
  enum class StepResult : uint8_t { kDone, kNeedsInput, kFailed };

  static Result<std::shared_ptr<TlsSession>> make(std::shared_ptr<const TlsContext> context,
                                                  std::vector<SpiffeId> expected, bool is_server);

  void run() noexcept override;
  void on_done() noexcept override;

  SSL* ssl() noexcept { return ssl_.get(); }
  RecordWire& wire() noexcept { return wire_; }
  const PeerCheck& check() const noexcept { return check_; }
  const TlsContext& context() const noexcept { return *context_; }
  StepResult step_result() const noexcept { return step_result_; }
  // Loop's thread only; null: the stream is gone.
  void set_owner(TlsStream* owner) noexcept { owner_ = owner; }

  // After a failed SSL call: what happened, by the wire's error, the check's or OpenSSL's queue.
  Error take_error();
  const std::optional<Error>& step_error() const noexcept { return step_error_; }

 private:
  explicit TlsSession(std::shared_ptr<const TlsContext> context) noexcept
      : context_(std::move(context)) {}

  std::shared_ptr<const TlsContext> context_;
  PeerCheck check_;
  RecordWire wire_;
  SslPtr ssl_;  // after what it points into
  StepResult step_result_ = StepResult::kNeedsInput;
  std::optional<Error> step_error_;
  bool is_established_ = false;
  TlsStream* owner_ = nullptr;
};

}  // namespace keelson::tls
