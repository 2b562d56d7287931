#include "proxylink/proxy_connection.h"

#include <algorithm>
#include <cerrno>

#include "link/frames.h"

namespace keelson::proxylink {
namespace {

constexpr int kFramesPerWake = 16;
constexpr size_t kNackTextMax = 256;
constexpr size_t kDenialsKept = 1024;  // until the loop's next turn; more: counted as lost

Failure malformed(std::string what) {
  return fail(Reason::message_malformed, ErrorSource::kInternal, std::move(what));
}

// It comes from the process that parses tenants' bytes and goes into logs and terminals.
std::string printable(std::string text) {
  if (text.size() > kNackTextMax) text.resize(kNackTextMax);
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c > 0x7e; }, '?');
  return text;
}

}  // namespace

Result<std::unique_ptr<ProxyConnection>> ProxyConnection::open(Setup setup, Fd socket) {
  io::EventLoop& loop = setup.loop;
  std::unique_ptr<ProxyConnection> made(new ProxyConnection(std::move(setup), std::move(socket)));
  ProxyConnection* self = made.get();
  KS_ASSIGN(io::Poll poll, io::Poll::open(loop, self->socket_.get(),
                                          [self](io::Readiness ready) { self->on_ready(ready); }));
  poll.watch({.readable = true});
  made->poll_.emplace(std::move(poll));
  made->impatience_.start(made->setup_.patience);  // until its Hello
  return made;
}

ProxyConnection::ProxyConnection(Setup setup, Fd socket)
    : setup_(std::move(setup)),
      socket_(std::move(socket)),
      impatience_(setup_.loop, [this] { on_impatient(); }) {}

void ProxyConnection::send(std::shared_ptr<const Update> update) {
  if (is_dead()) return;
  if (acknowledged_ == sent_) asked_at_ = setup_.clock.now();
  sent_ = update->generation;
  // The one that has begun must be finished; one that waits is not needed any more.
  if (!queue_.empty() && (queue_.size() > 1 || queue_.back().next == 0)) queue_.pop_back();
  queue_.push_back({std::move(update), 0});
  flush();
}

void ProxyConnection::request_stats() {
  is_stats_wanted_ = true;
  flush();
}

bool ProxyConnection::is_silent() const {
  return is_ready() && acknowledged_ != sent_ && !(nack_ && nack_->generation == sent_) &&
         setup_.clock.now() - asked_at_ > setup_.patience;
}

// Looks once more first: if this loop was busy for long, the proxy is not to blame.
void ProxyConnection::on_impatient() {
  const bool had_hello = hello_.has_value();
  receive();
  if (is_dead() || (hello_ && !had_hello)) return;
  if (hello_ && flush()) return;
  die({Reason::proxy_unresponsive, ErrorSource::kInternal, true, 0,
       hello_ ? "reads nothing of what it was sent" : "says no Hello"});
}

void ProxyConnection::on_ready(io::Readiness ready) {
  if (ready.readable) receive();
  if (ready.writable && !is_dead()) flush();
}

void ProxyConnection::receive() {
  for (int i = 0; i < kFramesPerWake && !is_dead(); i++) {
    auto frame = link::receive_frame(socket_);
    if (!frame && frame.error().os_errno == EAGAIN) return;
    if (!frame) return die(std::move(frame).error());
    if (frame->closed)
      return die({Reason::cannot_reach, ErrorSource::kInternal, true, 0, "closed its connection"});
    auto messages = config::decode_proxy_messages(frame->payload);
    if (!messages) return die(std::move(messages).error());
    if (auto taken = on_messages(std::move(*messages), std::move(frame->fds)); !taken)
      return die(std::move(taken).error());
    setup_.on_change();
  }
}

Result<void> ProxyConnection::on_messages(config::ProxyMessages messages, std::vector<Fd> fds) {
  if (messages.hello) KS_TRY(on_hello(std::move(*messages.hello), std::move(fds)));
  if (!hello_) return malformed("does not begin with Hello");
  if (messages.ack) {
    if (*messages.ack > sent_) return malformed("acknowledges what it was not sent");
    acknowledged_ = std::max(acknowledged_, *messages.ack);
    if (nack_ && nack_->generation <= acknowledged_) nack_.reset();
  }
  if (messages.nack) {
    if (messages.nack->generation > sent_) return malformed("refuses what it was not sent");
    nack_ = std::move(messages.nack);
    nack_->text = printable(std::move(nack_->text));
  }
  if (messages.stats) stats_ = std::move(messages.stats);
  on_denials(std::move(messages.denials));
  has_said_goodbye_ |= messages.goodbye;
  return {};
}

void ProxyConnection::on_denials(config::Denials denials) {
  denials_.lost += denials.lost;
  for (config::Denial& denial : denials.denials) {
    if (denials_.denials.size() >= kDenialsKept) {
      denials_.lost++;
      continue;
    }
    for (std::string* text :
         {&denial.source, &denial.source_identity, &denial.source_address, &denial.destination,
          &denial.destination_identity, &denial.destination_address, &denial.policy})
      *text = printable(std::move(*text));
    denials_.denials.push_back(std::move(denial));
  }
}

std::optional<link::LiveGaugeView> ProxyConnection::take_lost_gauge() {
  if (has_said_goodbye_) return std::nullopt;
  return std::exchange(gauge_, std::nullopt);
}

Result<void> ProxyConnection::on_hello(config::Hello hello, std::vector<Fd> fds) {
  if (hello_) return malformed("a second Hello");
  if (hello.protocol != config::kLinkProtocolVersion)
    return fail(Reason::proxy_version_mismatch, ErrorSource::kInternal,
                "speaks version " + std::to_string(hello.protocol) + ", this agent " +
                    std::to_string(config::kLinkProtocolVersion));
  if (hello.has_gauge) {
    if (fds.size() != 1) return malformed("a Hello without the gauge it announces");
    KS_ASSIGN(gauge_, link::LiveGaugeView::open(std::move(fds[0]), hello.workers));
  }
  hello.version = printable(std::move(hello.version));
  hello_ = std::move(hello);
  impatience_.stop();
  return {};
}

// True when anything was sent.
bool ProxyConnection::flush() {
  if (!is_ready()) return false;
  bool progress = false;
  while (send_next()) progress = true;
  if (is_dead()) return false;
  const bool is_blocked = !queue_.empty() || is_stats_wanted_;
  poll_->watch({.readable = true, .writable = is_blocked});
  if (!is_blocked)
    impatience_.stop();
  else if (progress || !impatience_.is_active())
    impatience_.start(setup_.patience);
  return progress;
}

bool ProxyConnection::send_next() {
  if (is_dead() || (queue_.empty() && !is_stats_wanted_)) return false;
  const bool is_stats = queue_.empty();
  const config::Payload request =
      is_stats ? config::Payload{config::encode_stats_request(), {}} : config::Payload{};
  const config::Payload& payload =
      is_stats ? request : queue_.front().update->payloads[queue_.front().next];
  auto sent = link::send_frame(socket_, payload.bytes, payload.fds);
  if (!sent && sent.error().os_errno == EAGAIN) return false;
  if (!sent) {
    die(std::move(sent).error());
    return false;
  }
  if (is_stats)
    is_stats_wanted_ = false;
  else if (++queue_.front().next == queue_.front().update->payloads.size())
    queue_.pop_front();
  return true;
}

void ProxyConnection::die(Error error) {
  if (is_dead()) return;
  death_ = std::move(error);
  impatience_.stop();
  poll_.reset();
  socket_.reset();
  queue_.clear();
  setup_.on_change();
}

}  // namespace keelson::proxylink
