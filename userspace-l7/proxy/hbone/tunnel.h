// Tunnel: the ByteStream of one CONNECT: raw bytes as DATA frames, END_STREAM as the end in each
// direction. Reading opens the stream's window; anything but END_STREAM (RST_STREAM, lost session)
// is an error, never eof; bytes that came before it are delivered first. Owned by whoever relays,
// may outlive its connection. One thread.
// Holds at most a stream window of received bytes and kTunnelSendBytesMax to be sent.
#pragma once

#include <memory>
#include <optional>

#include "base/buffer_chain.h"
#include "http/h2/session.h"
#include "io/byte_stream.h"
#include "proxy/hbone/byte_budget.h"

namespace keelson::hbone {

class Connection;

class Tunnel final : public io::ByteStream {
 public:
  ~Tunnel() override;

  // Error: stream_reset (the peer's RST_STREAM), or why the session was lost.
  Result<io::ReadResult> read(std::span<std::byte> into) override;
  Result<size_t> write(BufferChain& from) override;
  Result<void> shutdown_write() override;  // END_STREAM
  // RST_STREAM CONNECT_ERROR (RFC 9113 section 8.5): our application's connection was reset.
  void reset(Reason why) noexcept override;

  size_t bytes_held() const noexcept { return inbound_.size(); }
  // Its connection ends once its tunnels have, or is gone: begin nothing new on this one.
  bool is_retiring() const noexcept;
  h2::StreamId id() const noexcept { return id_; }

 private:
  friend class Connection;
  friend class ConnectRequest;
  enum class HeldBytes : bool { kKeep, kDrop };

  Tunnel(Connection& connection, h2::StreamId id, BlockPool& blocks,
         std::shared_ptr<ByteBudget> budget) noexcept;

  // From the connection.
  bool take(std::span<const std::byte> bytes);  // false: no memory
  void take_end() noexcept;
  void take_error(const Error& error, HeldBytes held) noexcept;
  void take_room() noexcept { tell_writer(); }
  void detach() noexcept { connection_ = nullptr; }

  void drop_held() noexcept;
  void tell_reader() noexcept;
  void tell_writer() noexcept;

  Connection* connection_;  // null: over in both directions, or lost
  const h2::StreamId id_;
  BufferChain inbound_;
  std::shared_ptr<ByteBudget> budget_;
  std::optional<Error> error_;
  bool is_end_received_ = false;
  bool is_end_sent_ = false;
  bool is_reader_waiting_ = false;
  bool is_writer_waiting_ = false;
};

}  // namespace keelson::hbone
