#include "proxy/ready_port.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "io/poll.h"
#include "io/timer.h"

namespace keelson::proxy {
namespace {

constexpr std::string_view kReady =
    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\n"
    "ready\n";
constexpr std::string_view kNotReady =
    "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-type: text/plain\r\n"
    "content-length: 25\r\n\r\nno configuration is here\n";

}  // namespace

// One connection: its request's head is read to the end, answered, and its own end waited for, so
// that the answer is not lost to a reset.
class ReadyPort::Ask {
 public:
  Ask(ReadyPort& port, io::Socket socket)
      : port_(port), socket_(std::move(socket)), timer_(port.loop_, [this] { end(); }) {}

  Result<void> start() {
    KS_ASSIGN(io::Poll poll, io::Poll::open(port_.loop_, socket_.fd(), [this](io::Readiness) {
                if (!go_on()) end();
              }));
    poll_ = std::make_unique<io::Poll>(std::move(poll));
    poll_->watch({.readable = true});
    timer_.start(kReadyAskTime);
    return {};
  }

 private:
  // False: it is over.
  bool go_on() {
    const auto got =
        socket_.read(std::as_writable_bytes(std::span(head_)).subspan(is_answered_ ? 0 : size_));
    if (!got || got->is_eof()) return false;
    if (is_answered_ || got->is_would_block()) return true;
    size_ += got->bytes;
    const std::string_view head(head_.data(), size_);
    if (head.find("\r\n\r\n") == std::string_view::npos) return size_ < head_.size();
    return answer(port_.is_ready_ ? kReady : kNotReady);
  }
  // It fits a new socket's buffer.
  bool answer(std::string_view text) {
    is_answered_ = true;
    socket_.mark_orderly();
    const ssize_t sent = ::send(socket_.fd(), text.data(), text.size(), MSG_NOSIGNAL);
    return sent == static_cast<ssize_t>(text.size()) && socket_.shutdown_write();
  }
  void end() { port_.remove(*this); }

  ReadyPort& port_;
  io::Socket socket_;
  io::Timer timer_;
  std::unique_ptr<io::Poll> poll_;
  std::array<char, kReadyHeadBytesMax> head_{};
  size_t size_ = 0;
  bool is_answered_ = false;
};

ReadyPort::ReadyPort(io::EventLoop& loop) : loop_(loop) {}
ReadyPort::~ReadyPort() = default;

Result<std::unique_ptr<ReadyPort>> ReadyPort::open(io::EventLoop& loop, const Endpoint& at) {
  KS_ASSIGN(Fd listening, io::listen_tcp(at));
  std::unique_ptr<ReadyPort> port(new ReadyPort(loop));
  KS_ASSIGN(port->listener_,
            io::Listener::open(loop, std::move(listening),
                               [self = port.get()](io::Socket s) { self->take(std::move(s)); }));
  return port;
}

Result<Endpoint> ReadyPort::local() const {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  if (::getsockname(listener_->fd(), reinterpret_cast<sockaddr*>(&at), &size) < 0)
    return fail_errno(Reason::io_error, errno, "the address of the ready port");
  return Endpoint::from_sockaddr(at);
}

void ReadyPort::take(io::Socket socket) {
  auto ask = std::make_unique<Ask>(*this, std::move(socket));
  if (!ask->start()) return;
  if (asks_.size() == kReadyAsksMax) asks_.pop_front();
  asks_.push_back(std::move(ask));
}

void ReadyPort::remove(const Ask& ask) {
  std::erase_if(asks_, [&](const auto& each) { return each.get() == &ask; });
}

}  // namespace keelson::proxy
