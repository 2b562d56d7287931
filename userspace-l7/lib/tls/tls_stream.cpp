#include "tls/tls_stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "tls/tls_session.h"

namespace keelson::tls {
namespace {

using io::ReadResult;

constexpr size_t kRecordHeaderBytes = 5;
constexpr size_t kRecordBytesMax = 16384;        // RFC 8446 5.1, plaintext
constexpr size_t kCipherBytesMax = 16384 + 256;  // RFC 8446 5.2
constexpr size_t kHandshakeReadBytes = 16384;
constexpr size_t kCipherBytesHeld = 2 * TlsStream::kCipherBytesHigh;

// How many of `bytes` are whole TLS records. A header that promises too much counts as whole:
// OpenSSL shall see and refuse it now.
size_t whole_records(std::string_view bytes) noexcept {
  size_t at = 0;
  while (bytes.size() - at >= kRecordHeaderBytes) {
    const auto high = static_cast<unsigned char>(bytes[at + 3]);
    const auto low = static_cast<unsigned char>(bytes[at + 4]);
    const size_t length = size_t{high} << 8 | low;
    if (length > kCipherBytesMax) return bytes.size();
    if (bytes.size() - at - kRecordHeaderBytes < length) break;
    at += kRecordHeaderBytes + length;
  }
  return at;
}

}  // namespace

Result<std::unique_ptr<TlsStream>> TlsStream::accept(Parts parts) {
  return make(std::move(parts), {}, true);
}

Result<std::unique_ptr<TlsStream>> TlsStream::connect(Parts parts, std::vector<SpiffeId> expected) {
  // Without an expectation the whole trust domain would do: a client must know whom it calls.
  if (expected.empty())
    return fail(Reason::bad_value, ErrorSource::kInternal, "no expected identity");
  return make(std::move(parts), std::move(expected), false);
}

Result<std::unique_ptr<TlsStream>> TlsStream::make(Parts parts, std::vector<SpiffeId> expected,
                                                   bool is_server) {
  KS_ASSIGN(auto session,
            TlsSession::make(std::move(parts.context), std::move(expected), is_server));
  std::unique_ptr<TlsStream> stream(new TlsStream(std::move(parts), std::move(session)));
  stream->is_step_wanted_ = !is_server;  // a client speaks first
  return stream;
}

TlsStream::TlsStream(Parts parts, std::shared_ptr<TlsSession> session) noexcept
    : lower_(std::move(parts.lower)),
      signer_(parts.signer),
      session_(std::move(session)),
      cipher_out_(parts.pool) {
  session_->set_owner(this);
  lower_->observe(this);
}

TlsStream::~TlsStream() {
  session_->set_owner(nullptr);
  // Both ends were proven by close_notify and ours has left: whether the peer's FIN came too says
  // nothing more, and without this the lower stream would turn our last bytes into a reset.
  if (is_end_seen_ && is_lower_shut_) lower_->close_orderly();
  lower_->observe(nullptr);
}

const PeerIdentity* TlsStream::peer() const noexcept {
  if (state_ != State::kEstablished) return nullptr;
  return session_->check().peer ? &*session_->check().peer : nullptr;
}

const TlsContext& TlsStream::context() const noexcept {
  return session_->context();
}

// ---- handshake ---------------------------------------------------------------------------------

Result<TlsStream::Progress> TlsStream::handshake() {
  KS_ASSIGN(const Progress progress, advance_handshake());
  is_reader_waiting_ = progress == Progress::kWaiting;
  return progress;
}

Result<TlsStream::Progress> TlsStream::advance_handshake() {
  if (state_ == State::kFailed) return Failure(*error_);
  while (state_ == State::kHandshake) {
    if (is_step_away_) return Progress::kWaiting;
    if (std::exchange(is_step_ready_, false)) {
      KS_TRY(finish_step());
      continue;
    }
    if (!is_step_wanted_) {
      KS_ASSIGN(is_step_wanted_, take_step_input());
      if (!is_step_wanted_) return Progress::kWaiting;
    }
    is_step_wanted_ = false;
    switch (signer_.submit(session_)) {
      case Signer::Outcome::kDone:
        is_step_ready_ = true;
        break;
      case Signer::Outcome::kQueued:
        is_step_away_ = true;
        break;
      case Signer::Outcome::kRefused:
        return broken(Error{Reason::signer_overloaded, ErrorSource::kInternal, true, 0, {}});
    }
  }
  return Progress::kDone;
}

// Hands only whole records to the session, so that a peer who sends single bytes does not buy a
// step with each.
Result<bool> TlsStream::take_step_input() {
  RecordWire& wire = session_->wire();
  for (;;) {
    const size_t whole = wire.ended ? staged_.size() : whole_records(staged_);
    if (whole > 0 || wire.ended) {
      wire.inbound.append(staged_, 0, whole);
      staged_.erase(0, whole);
      return true;
    }
    std::array<std::byte, kHandshakeReadBytes> buffer;
    const auto read = lower_->read(buffer);
    if (!read) return broken(read.error());
    if (read->is_would_block()) return false;
    if (read->is_eof()) wire.ended = true;
    staged_.append(reinterpret_cast<const char*>(buffer.data()), read->bytes);
  }
}

Result<void> TlsStream::finish_step() {
  RecordWire& wire = session_->wire();
  const std::string outbound = std::exchange(wire.outbound, {});
  if (!cipher_out_.append(outbound))
    return broken(Error{Reason::buffer_pool_empty, ErrorSource::kInternal, false, 0, "handshake"});
  KS_TRY(flush());  // after a failure too: the alert tells the peer why
  switch (session_->step_result()) {
    case TlsSession::StepResult::kNeedsInput:
      return {};
    case TlsSession::StepResult::kFailed:
      return broken(*session_->step_error());
    case TlsSession::StepResult::kDone:
      return establish();
  }
  return {};
}

Result<void> TlsStream::establish() {
  const unsigned char* protocol = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(session_->ssl(), &protocol, &size);
  if (!context().admits_protocol({reinterpret_cast<const char*>(protocol), size}))
    return broken(Error{Reason::tls_alpn_mismatch, ErrorSource::kInternal, false, 0, {}});
  KS_ASSERT(session_->check().peer.has_value() || !context().proves_peer());
  RecordWire& wire = session_->wire();
  wire.inbound.append(std::exchange(staged_, {}));
  wire.lower = lower_.get();
  wire.out = &cipher_out_;
  wire.out_bytes_held = kCipherBytesHeld;
  state_ = State::kEstablished;
  if (is_shutdown_wanted_) return send_close_notify();
  return {};
}

void TlsStream::on_step_done() noexcept {
  is_step_away_ = false;
  is_step_ready_ = true;
  tell_reader();
  tell_writer();
}

// ---- bytes -------------------------------------------------------------------------------------

Result<ReadResult> TlsStream::read(std::span<std::byte> into) {
  KS_ASSIGN(const Progress progress, advance_handshake());
  if (progress == Progress::kWaiting) return refuse_read();
  size_t filled = 0;
  while (filled < into.size()) {
    auto got = read_record(into.subspan(filled));
    // What came before an end or an error is delivered first; both are found again next time.
    if (filled > 0 && (!got || !got->is_data())) break;
    if (got && got->is_would_block()) return refuse_read();
    if (!got || !got->is_data()) return got;
    filled += got->bytes;
    // Asking the lower stream for more costs a system call that mostly says "not yet".
    if (SSL_has_pending(session_->ssl()) == 0) break;
  }
  return ReadResult::data(filled);
}

ReadResult TlsStream::refuse_read() noexcept {
  is_reader_waiting_ = true;
  // A peer that demands key updates and does not take the answers gets no further.
  // A handshake holds nothing, and its step may be under way on the signer's thread.
  is_read_held_ = !is_step_away_ && session_->wire().is_held;
  release_reader();
  return ReadResult::would_block();
}

void TlsStream::release_reader() noexcept {
  if (!is_read_held_ || cipher_out_.size() >= kCipherBytesHeld) return;
  is_read_held_ = false;
  tell_reader();
}

Result<ReadResult> TlsStream::read_record(std::span<std::byte> into) {
  if (is_end_seen_) {
    find_lower_end();
    return ReadResult::eof();
  }
  clear_openssl_errors();
  SSL* ssl = session_->ssl();
  size_t got = 0;
  const int result = SSL_read_ex(ssl, into.data(), into.size(), &got);
  const int error = SSL_get_error(ssl, result);
  if (!cipher_out_.empty()) KS_TRY(flush());  // an answer to a key update, or an alert
  switch (error) {
    case SSL_ERROR_NONE:
      return ReadResult::data(got);
    case SSL_ERROR_WANT_READ:
      return ReadResult::would_block();
    case SSL_ERROR_ZERO_RETURN:
      is_end_seen_ = true;
      find_lower_end();
      return ReadResult::eof();
    default:
      return broken(session_->take_error());
  }
}

// After close_notify the lower stream's own end carries no news, but reading it makes the lower
// stream's close an orderly one.
void TlsStream::find_lower_end() noexcept {
  RecordWire& wire = session_->wire();
  if (wire.ended || wire.error) return;
  std::array<std::byte, 256> ignored;
  const auto read = lower_->read(ignored);
  wire.ended = !read || read->is_eof();
}

Result<size_t> TlsStream::write(BufferChain& from) {
  KS_ASSIGN(const Progress progress, advance_handshake());
  KS_ASSERT(!is_close_sent_ && !is_shutdown_wanted_);
  size_t taken = 0;
  if (progress == Progress::kDone) {
    KS_TRY(flush());
    while (!from.empty() && cipher_out_.size() < kCipherBytesHigh) {
      KS_ASSIGN(const size_t encrypted, encrypt_some(from));
      taken += encrypted;
      if (from.empty() || cipher_out_.size() >= kCipherBytesHigh) KS_TRY(flush());
    }
  }
  is_writer_waiting_ = !from.empty();
  return taken;
}

// One record. Small views are gathered into a full one: a record costs more than a copy.
Result<size_t> TlsStream::encrypt_some(BufferChain& from) {
  std::array<std::byte, kRecordBytesMax> gathered;
  std::span<const std::byte> plain = from.front();
  if (plain.size() < kRecordBytesMax && from.view_count() > 1)
    plain = std::span(gathered).first(from.copy_to(gathered));
  plain = plain.first(std::min(plain.size(), kRecordBytesMax));
  clear_openssl_errors();
  size_t written = 0;
  if (SSL_write_ex(session_->ssl(), plain.data(), plain.size(), &written) != 1)
    return broken(session_->take_error());
  from.consume(written);
  return written;
}

Result<void> TlsStream::shutdown_write() {
  if (state_ == State::kFailed) return Failure(*error_);
  if (is_shutdown_wanted_) return {};
  is_shutdown_wanted_ = true;
  if (state_ == State::kEstablished) return send_close_notify();
  KS_TRY(advance_handshake());  // sends it when the handshake is done
  return {};
}

Result<void> TlsStream::send_close_notify() {
  clear_openssl_errors();
  // 0: sent, the peer's is not here yet; reading goes on (RFC 8446 6.1).
  if (SSL_shutdown(session_->ssl()) < 0) return broken(session_->take_error());
  is_close_sent_ = true;
  return flush();
}

void TlsStream::reset(Reason why) noexcept {
  session_->set_owner(nullptr);
  cipher_out_.clear();
  is_lower_shut_ = false;
  lower_->reset(why);
  state_ = State::kFailed;
  error_ = Error{why, ErrorSource::kInternal, false, 0, "reset"};
}

// ---- towards the lower stream ------------------------------------------------------------------

Result<void> TlsStream::flush() {
  if (is_lower_shut_) {
    cipher_out_.clear();  // an answer to a key update after our close_notify interests nobody
    return {};
  }
  if (!cipher_out_.empty()) {
    const auto written = lower_->write(cipher_out_);
    if (!written) return broken(written.error());
  }
  release_reader();
  if (is_close_sent_ && cipher_out_.empty()) {
    is_lower_shut_ = true;
    const auto shut = lower_->shutdown_write();
    if (!shut) return broken(shut.error());
  }
  return {};
}

Failure TlsStream::broken(Error error) {
  if (state_ != State::kFailed) {
    state_ = State::kFailed;
    error_ = std::move(error);
    is_lower_shut_ = false;  // never an orderly close after this
  }
  return Failure(*error_);
}

void TlsStream::tell_reader() noexcept {
  if (std::exchange(is_reader_waiting_, false) && observer() != nullptr) observer()->on_readable();
}

void TlsStream::tell_writer() noexcept {
  if (std::exchange(is_writer_waiting_, false) && observer() != nullptr) observer()->on_writable();
}

void TlsStream::on_readable() noexcept {
  tell_reader();
  if (state_ == State::kHandshake) tell_writer();
}

void TlsStream::on_writable() noexcept {
  const bool is_flushed = flush().has_value();
  if (!is_flushed) tell_reader();
  if (!is_flushed || cipher_out_.size() < kCipherBytesHigh) tell_writer();
}

}  // namespace keelson::tls
