#include "proxy/control.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>

#include "link/frames.h"
#include "link/memfd.h"
#include "tls/key_material.h"

namespace keelson::proxy {
namespace {

constexpr size_t kOutgoingMax = 64;

Result<std::string> read_key_material(const Fd& memfd) {
  return link::read_sealed_memfd(memfd, tls::kKeyMaterialBytesMax);
}

Result<void> make_nonblocking(const Fd& socket) {
  const int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) < 0)
    return fail_errno(Reason::io_error, errno, "making the agent's socket non-blocking");
  return {};
}

}  // namespace

Control::Control(io::EventLoop& loop, Options options, Applier& applier)
    : loop_(loop),
      options_(std::move(options)),
      applier_(applier),
      builder_(read_key_material),
      retry_(loop, [this] { connect(); }),
      retry_delay_(options_.retry_first),
      is_alive_(std::make_shared<bool>(true)) {}

Control::~Control() {
  *is_alive_ = false;
}

void Control::connect() {
  if (is_connected()) return;
  auto connected = try_connect();
  if (connected) {
    spdlog::info("component=proxy msg=\"connected to the agent\" socket={}", options_.socket_path);
    retry_delay_ = options_.retry_first;
    is_quiet_ = false;
    return;
  }
  if (!is_quiet_)
    spdlog::warn("component=proxy reason={} generation={} msg=\"no agent: {}\"",
                 reason_name(connected.error().reason), generation_, connected.error().message());
  is_quiet_ = true;
  retry_.start(retry_delay_);
  retry_delay_ = std::min(retry_delay_ * 2, options_.retry_max);
}

Result<void> Control::try_connect() {
  KS_ASSIGN(Fd socket, link::connect_seqpacket(options_.socket_path));
  KS_TRY(make_nonblocking(socket));
  KS_ASSIGN(io::Poll poll,
            io::Poll::open(loop_, socket.get(), [this](io::Readiness ready) { on_ready(ready); }));
  socket_ = std::move(socket);
  poll_ = std::make_unique<io::Poll>(std::move(poll));
  poll_->watch({.readable = true});
  connection_++;
  builder_.on_connected();
  outgoing_.clear();
  send(config::encode_hello(options_.hello), options_.gauge);
  return {};
}

void Control::disconnect(const std::string& why) {
  spdlog::warn("component=proxy generation={} msg=\"lost the agent, serving on: {}\"", generation_,
               why);
  poll_.reset();
  socket_.reset();
  outgoing_.clear();
  retry_.start(retry_delay_);
  retry_delay_ = std::min(retry_delay_ * 2, options_.retry_max);
}

void Control::on_ready(io::Readiness ready) {
  if (ready.writable) {
    if (auto flushed = flush(); !flushed) return disconnect(flushed.error().message());
  }
  // A bounded number of packets, so that the main loop gets round to its other work.
  for (int i = 0; i < 64 && is_connected(); i++) {
    auto received = receive();
    if (!received) {
      applier_.count(received.error().reason);
      return disconnect(received.error().message());
    }
    if (!*received) return;
  }
}

Result<bool> Control::receive() {
  auto frame = link::receive_frame(socket_);
  if (!frame && frame.error().os_errno == EAGAIN) return false;
  if (!frame) return Failure(std::move(frame).error());
  if (frame->closed)
    return fail(Reason::cannot_reach, ErrorSource::kInternal, "it closed the connection");
  KS_ASSIGN(config::PacketOutcome outcome,
            builder_.on_packet(frame->payload, std::move(frame->fds)));
  handle(std::move(outcome));
  return true;
}

void Control::handle(config::PacketOutcome outcome) {
  if (outcome.maps)
    applier_.on_maps(std::make_shared<const config::ProxyMaps>(std::move(*outcome.maps)));
  if (outcome.refused) {
    const Error& why = *outcome.refused;
    spdlog::error("component=proxy reason={} refused={} serving={} msg=\"{}\"",
                  reason_name(why.reason), outcome.refused_generation, generation_, why.message());
    applier_.count(why.reason);
    send(config::encode_nack({outcome.refused_generation, why.reason, why.message()}));
  }
  if (outcome.committed) {
    const uint64_t generation = outcome.committed->generation;
    applier_.apply(std::move(outcome.committed),
                   [this, alive = is_alive_, generation, connection = connection_] {
                     if (!*alive) return;
                     generation_ = generation;
                     if (connection == connection_) acknowledge(generation);
                   });
  }
  if (outcome.stats_wanted) send(config::encode_stats(applier_.stats()));
}

void Control::acknowledge(uint64_t generation) {
  spdlog::debug("component=proxy generation={} msg=\"served by every worker\"", generation);
  send(config::encode_ack(generation));
}

void Control::send(std::string payload, int fd) {
  if (!is_connected()) return;
  outgoing_.push_back({std::move(payload), fd});
  auto flushed = flush();
  if (flushed && outgoing_.size() <= kOutgoingMax) return;
  // Not within the call of whoever sends: the poll's next event finds the dead socket.
  ::shutdown(socket_.get(), SHUT_RDWR);
}

Result<void> Control::flush() {
  while (!outgoing_.empty()) {
    const Outgoing& next = outgoing_.front();
    auto sent = link::send_frame(socket_, next.payload, {&next.fd, next.fd >= 0 ? size_t{1} : 0});
    if (!sent && sent.error().os_errno == EAGAIN) {
      poll_->watch({.readable = true, .writable = true});
      return {};
    }
    if (!sent) return sent;
    outgoing_.pop_front();
  }
  poll_->watch({.readable = true});
  return {};
}

}  // namespace keelson::proxy
