#include "tls/tls_session.h"

#include <openssl/err.h>
#include <openssl/sslerr.h>

#include <utility>

#include "tls/tls_stream.h"

namespace keelson::tls {
namespace {

Reason reason_of_ssl_error(int reason, bool is_established) noexcept {
  switch (reason) {
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
      return Reason::tls_truncated;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      return Reason::tls_version_refused;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return Reason::certificate_missing;
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return Reason::tls_alpn_mismatch;
    default:
      if (reason > SSL_AD_REASON_OFFSET) return Reason::tls_alert_received;
      return is_established ? Reason::tls_protocol_error : Reason::tls_handshake_failed;
  }
}

}  // namespace

Result<std::shared_ptr<TlsSession>> TlsSession::make(std::shared_ptr<const TlsContext> context,
                                                     std::vector<SpiffeId> expected,
                                                     bool is_server) {
  std::shared_ptr<TlsSession> session(new TlsSession(std::move(context)));
  session->check_.expected = std::move(expected);
  KS_ASSIGN(session->ssl_, session->context_->make_ssl(session->check_));
  BioPtr bio = make_record_bio(session->wire_);
  if (!bio) return fail_openssl(Reason::internal, ErrorSource::kInternal, "BIO");
  SSL* ssl = session->ssl_.get();
  BIO* both = bio.release();  // SSL_set_bio takes one reference when both ends are the same BIO
  SSL_set_bio(ssl, both, both);
  if (is_server) {
    SSL_set_accept_state(ssl);
  } else {
    SSL_set_connect_state(ssl);
  }
  return session;
}

void TlsSession::run() noexcept {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    is_established_ = true;
    step_result_ = StepResult::kDone;
  } else if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) {
    step_result_ = StepResult::kNeedsInput;
  } else {
    step_result_ = StepResult::kFailed;
    step_error_ = take_error();  // here: the queue belongs to the thread
  }
}

void TlsSession::on_done() noexcept {
  if (owner_ != nullptr) owner_->on_step_done();
}

Error TlsSession::take_error() {
  const int reason = ERR_GET_REASON(ERR_peek_error());
  const std::string text = take_openssl_error();
  if (wire_.error) return *wire_.error;
  if (check_.error) return *check_.error;
  const Reason named = reason_of_ssl_error(reason, is_established_);
  return Error{named, ErrorSource::kInternal, false, 0, text};
}

}  // namespace keelson::tls
