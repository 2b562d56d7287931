#include "proxy/hbone/tunnel.h"

#include <algorithm>
#include <utility>

#include "proxy/hbone/connection.h"

namespace keelson::hbone {

using io::ReadResult;

Tunnel::Tunnel(Connection& connection, h2::StreamId id, BlockPool& blocks,
               std::shared_ptr<ByteBudget> budget) noexcept
    : connection_(&connection), id_(id), inbound_(blocks), budget_(std::move(budget)) {}

Tunnel::~Tunnel() {
  const bool is_orderly = is_end_received_ && is_end_sent_ && inbound_.empty();
  if (connection_ != nullptr)
    connection_->release(*this,
                         is_orderly ? std::nullopt : std::optional(h2::ErrorCode::kConnectError));
  drop_held();
}

Result<ReadResult> Tunnel::read(std::span<std::byte> into) {
  if (!inbound_.empty()) {
    const size_t bytes = inbound_.copy_to(into);
    inbound_.consume(bytes);
    budget_->give_back(bytes);
    if (connection_ != nullptr) connection_->on_tunnel_read(id_, bytes);
    return ReadResult::data(bytes);
  }
  if (is_end_received_) return ReadResult::eof();
  if (error_) return Failure(*error_);
  is_reader_waiting_ = true;
  return ReadResult::would_block();
}

Result<size_t> Tunnel::write(BufferChain& from) {
  KS_ASSERT(!is_end_sent_);
  if (error_) return Failure(*error_);
  // Only a peer's RST_STREAM or a lost session detaches a tunnel whose end we have not sent, and
  // both leave an error.
  KS_ASSERT(connection_ != nullptr);
  KS_ASSIGN(const size_t taken, connection_->write(id_, from));
  is_writer_waiting_ = !from.empty();
  return taken;
}

Result<void> Tunnel::shutdown_write() {
  if (error_) return Failure(*error_);
  if (is_end_sent_) return {};
  KS_ASSERT(connection_ != nullptr);
  KS_TRY(connection_->write_end(id_));
  is_end_sent_ = true;
  return {};
}

void Tunnel::reset(Reason why) noexcept {
  if (connection_ != nullptr) connection_->release(*this, h2::ErrorCode::kConnectError);
  drop_held();
  is_end_received_ = false;
  error_ = Error{why, ErrorSource::kInternal, false, 0, "reset"};
}

bool Tunnel::is_retiring() const noexcept {
  return connection_ == nullptr || connection_->is_retiring();
}

bool Tunnel::take(std::span<const std::byte> bytes) {
  if (!inbound_.append(bytes)) return false;
  budget_->take(bytes.size());
  tell_reader();
  return true;
}

void Tunnel::take_end() noexcept {
  is_end_received_ = true;
  tell_reader();
}

void Tunnel::take_error(const Error& error, HeldBytes held) noexcept {
  connection_ = nullptr;
  error_ = error;
  if (held == HeldBytes::kDrop) {
    drop_held();
    is_end_received_ = false;
  }
  tell_reader();
  tell_writer();
}

void Tunnel::drop_held() noexcept {
  budget_->give_back(inbound_.size());
  inbound_.clear();
}

void Tunnel::tell_reader() noexcept {
  if (std::exchange(is_reader_waiting_, false) && observer() != nullptr) observer()->on_readable();
}

void Tunnel::tell_writer() noexcept {
  if (std::exchange(is_writer_waiting_, false) && observer() != nullptr) observer()->on_writable();
}

}  // namespace keelson::hbone
