// TlsStream: TLS over any ByteStream, itself a ByteStream. One thread: its loop's (handshake steps
// run behind Signer). read() and write() drive the handshake themselves; handshake() is for callers
// who want to know the peer first, or who ration handshakes. An end of the lower stream without
// close_notify is an error (tls_truncated), never eof. Bytes that write() took but the lower stream
// did not are encrypted and kept, at most kCipherBytesHigh plus one record; they go out from the
// lower stream's on_writable() without the caller's help. Sets no timeouts. Does not decide whether
// a proven peer may do anything.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "io/byte_stream.h"
#include "tls/peer_identity.h"
#include "tls/signer.h"
#include "tls/tls_context.h"

namespace keelson::tls {

class TlsSession;

class TlsStream final : public io::ByteStream, private io::StreamObserver {
 public:
  enum class Progress : uint8_t { kDone, kWaiting };
  static constexpr size_t kCipherBytesHigh = 64 * 1024;

  struct Parts {
    std::shared_ptr<const TlsContext> context;
    std::unique_ptr<io::ByteStream> lower;
    BlockPool& pool;
    Signer& signer;  // outlives the stream
  };
  // Server role: any peer of our trust domain.
  static Result<std::unique_ptr<TlsStream>> accept(Parts parts);
  // Client role: only a peer that is one of `expected`. Error: bad_value when that is empty.
  static Result<std::unique_ptr<TlsStream>> connect(Parts parts, std::vector<SpiffeId> expected);
  ~TlsStream() override;

  // After kWaiting, on_readable() comes once. Error: why it failed; the peer was told by an alert.
  Result<Progress> handshake();
  bool is_established() const noexcept { return state_ == State::kEstablished; }
  // Proven; null until the handshake is done, and when the context does not ask for it.
  const PeerIdentity* peer() const noexcept;
  const TlsContext& context() const noexcept;

  Result<io::ReadResult> read(std::span<std::byte> into) override;
  Result<size_t> write(BufferChain& from) override;
  Result<void> shutdown_write() override;  // close_notify, then the lower stream's half-close
  void reset(Reason why) noexcept override;

 private:
  // kHandshake    the session's buffers belong to a step while is_step_away_; then to the stream
  // kEstablished  the session reads the lower stream and writes cipher_out_ itself
  // kFailed       error_ is what every call returns
  enum class State : uint8_t { kHandshake, kEstablished, kFailed };
  friend class TlsSession;

  TlsStream(Parts parts, std::shared_ptr<TlsSession> session) noexcept;
  static Result<std::unique_ptr<TlsStream>> make(Parts parts, std::vector<SpiffeId> expected,
                                                 bool is_server);

  Result<Progress> advance_handshake();
  Result<bool> take_step_input();  // false: nothing complete has arrived
  Result<void> finish_step();
  Result<void> establish();
  void on_step_done() noexcept;  // from the signer, on the loop's thread

  io::ReadResult refuse_read() noexcept;
  void release_reader() noexcept;  // when the peer has taken enough of what was ready for it
  Result<io::ReadResult> read_record(std::span<std::byte> into);
  Result<size_t> encrypt_some(BufferChain& from);
  Result<void> send_close_notify();
  Result<void> flush();
  void find_lower_end() noexcept;
  Failure broken(Error error);
  void tell_reader() noexcept;
  void tell_writer() noexcept;

  void on_readable() noexcept override;  // of the lower stream
  void on_writable() noexcept override;

  std::unique_ptr<io::ByteStream> lower_;
  Signer& signer_;
  std::shared_ptr<TlsSession> session_;
  BufferChain cipher_out_;
  std::string staged_;  // handshake bytes that are not a whole record yet
  std::optional<Error> error_;
  State state_ = State::kHandshake;
  bool is_step_away_ = false;
  bool is_step_ready_ = false;   // a step's result waits for finish_step()
  bool is_step_wanted_ = false;  // there is something for a step to do
  bool is_reader_waiting_ = false;
  bool is_read_held_ = false;  // until the peer takes what is ready for it
  bool is_writer_waiting_ = false;
  bool is_shutdown_wanted_ = false;
  bool is_close_sent_ = false;  // close_notify is in cipher_out_ or beyond
  bool is_lower_shut_ = false;  // and the lower stream was half-closed after it
  bool is_end_seen_ = false;    // the peer's close_notify was read
};

}  // namespace keelson::tls
