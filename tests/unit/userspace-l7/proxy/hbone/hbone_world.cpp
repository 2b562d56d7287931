#include "hbone_world.h"

#include <algorithm>
#include <array>

namespace keelson::test {

// ---- wires ------------------------------------------------------------------------------------

Wires::Pair Wires::make() {
  Pair pair;
  pair.to_first = std::make_shared<Pipe>();
  pair.to_second = std::make_shared<Pipe>();
  pair.first = std::make_unique<End>(*this, pair.to_first, pair.to_second);
  pair.second = std::make_unique<End>(*this, pair.to_second, pair.to_first);
  return pair;
}

bool Wires::deliver() {
  bool told = false;
  for (End* end : std::set<End*>(ends_)) told |= end->announce();
  return told;
}

Wires::End::~End() {
  wires_.ends_.erase(this);
  const bool is_done = in_->is_ended && in_->bytes.empty() && out_->is_ended;
  if (!is_orderly_ && !is_done) out_->is_reset = true;
  out_->is_ended = true;
}

Result<io::ReadResult> Wires::End::read(std::span<std::byte> into) {
  if (in_->is_held || (in_->bytes.empty() && !in_->is_reset && !in_->is_ended)) {
    wants_read_ = true;
    return io::ReadResult::would_block();
  }
  if (in_->is_reset) return fail(Reason::stream_reset, ErrorSource::kUpstream, "wire");
  if (in_->bytes.empty()) return io::ReadResult::eof();
  const size_t count = std::min(into.size(), in_->bytes.size());
  const auto end = in_->bytes.begin() + static_cast<ptrdiff_t>(count);
  std::copy(in_->bytes.begin(), end, into.begin());
  in_->bytes.erase(in_->bytes.begin(), end);
  return io::ReadResult::data(count);
}

Result<size_t> Wires::End::write(BufferChain& from) {
  if (out_->is_reset || in_->is_reset)
    return fail(Reason::stream_reset, ErrorSource::kUpstream, "wire");
  size_t taken = 0;
  while (!from.empty() && out_->bytes.size() < out_->capacity) {
    auto part = from.front();
    part = part.first(std::min(part.size(), out_->capacity - out_->bytes.size()));
    out_->bytes.insert(out_->bytes.end(), part.begin(), part.end());
    from.consume(part.size());
    taken += part.size();
  }
  wants_write_ = !from.empty();
  return taken;
}

Result<void> Wires::End::shutdown_write() {
  out_->is_ended = true;
  return {};
}

bool Wires::End::announce() {
  if (observer() == nullptr) return false;
  bool told = false;
  const bool is_readable = !in_->bytes.empty() || in_->is_ended || in_->is_reset;
  if (wants_read_ && is_readable && !in_->is_held) {
    wants_read_ = false;
    told = true;
    observer()->on_readable();
  }
  if (wants_write_ && out_->bytes.size() < out_->capacity) {
    wants_write_ = false;
    told = true;
    observer()->on_writable();
  }
  return told;
}

// ---- turns and time -----------------------------------------------------------------------------

bool TurnTaker::run_all() {
  const bool had_work = !queue_.empty();
  while (!queue_.empty()) {
    hbone::Runnable* next = queue_.front();
    queue_.pop_front();
    next->take_turn(budget_bytes);
  }
  return had_work;
}

class FakeAlarms::FakeAlarm final : public hbone::Alarm {
 public:
  FakeAlarm(FakeAlarms& owner, std::function<void()> on_expired)
      : owner_(owner), on_expired_(std::move(on_expired)) {
    owner_.alarms_.push_back(this);
  }
  ~FakeAlarm() override { std::erase(owner_.alarms_, this); }
  void start(std::chrono::milliseconds delay) override { end = owner_.now_ + delay; }
  void stop() noexcept override { end.reset(); }
  bool is_running() const noexcept override { return end.has_value(); }
  void ring() {
    end.reset();
    on_expired_();
  }
  std::optional<std::chrono::milliseconds> end;

 private:
  FakeAlarms& owner_;
  std::function<void()> on_expired_;
};

std::unique_ptr<hbone::Alarm> FakeAlarms::make(std::function<void()> on_expired) {
  return std::make_unique<FakeAlarm>(*this, std::move(on_expired));
}

bool FakeAlarms::advance_to_next(std::chrono::milliseconds& by) {
  FakeAlarm* next = nullptr;
  for (FakeAlarm* alarm : alarms_)
    if (alarm->end && *alarm->end <= now_ + by && (next == nullptr || *alarm->end < *next->end))
      next = alarm;
  const auto target = next != nullptr ? std::max(*next->end, now_) : now_ + by;
  by -= target - now_;
  now_ = target;
  if (next != nullptr) next->ring();
  return next != nullptr;
}

size_t FakeAlarms::running() const {
  return static_cast<size_t>(std::count_if(alarms_.begin(), alarms_.end(),
                                           [](const auto* one) { return one->is_running(); }));
}

// ---- a tunnel's end -----------------------------------------------------------------------------

void TunnelEnd::take(std::unique_ptr<hbone::Tunnel> made) {
  tunnel = std::move(made);
  tunnel->observe(this);
}

bool TunnelEnd::work() {
  if (!tunnel) return false;
  bool moved = false;
  while (is_reading && may_read_ && !is_eof && !read_error) moved |= read_once();
  if (!write_error && may_write_ && (!to_write.empty() || (is_ending && !is_shut_)))
    moved |= write_once();
  return moved;
}

bool TunnelEnd::read_once() {
  std::array<std::byte, 8192> buffer;
  const auto got = tunnel->read(buffer);
  if (!got) {
    read_error = got.error();
    return true;
  }
  if (got->is_data()) received.append(reinterpret_cast<const char*>(buffer.data()), got->bytes);
  is_eof = got->is_eof();
  may_read_ = !got->is_would_block();
  return may_read_;
}

bool TunnelEnd::write_once() {
  const auto wrote = tunnel->write(to_write);
  if (!wrote) {
    write_error = wrote.error();
    return true;
  }
  may_write_ = to_write.empty();
  if (!to_write.empty() || !is_ending) return *wrote > 0;
  is_shut_ = true;
  if (const auto shut = tunnel->shutdown_write(); !shut) write_error = shut.error();
  return true;
}

// ---- owners -------------------------------------------------------------------------------------

void ClientOwner::on_finished(hbone::ClientConnection&, const Error* error) {
  is_finished = true;
  if (error != nullptr) why = *error;
  connection.reset();
}

void ServerHandler::on_connect(hbone::ServerConnection&,
                               std::unique_ptr<hbone::ConnectRequest> request) {
  if (on_request) return on_request(std::move(request));
  requests.push_back(std::move(request));
}

void ServerHandler::on_finished(hbone::ServerConnection&, const Error* error) {
  is_finished = true;
  if (error != nullptr) why = *error;
  connection.reset();
}

// ---- foreign peer -------------------------------------------------------------------------------

ForeignPeer::ForeignPeer(BlockPool& blocks, std::unique_ptr<tls::TlsStream> its_tls, h2::Role role,
                         const h2::Settings& settings)
    : tls(std::move(its_tls)), session_(role, settings, blocks, *this), out_(blocks) {}

bool ForeignPeer::work() {
  if (!tls || error) return false;
  bool moved = false;
  std::array<std::byte, 16384> buffer;
  while (!is_eof) {
    const auto got = tls->read(buffer);
    if (!got) {
      error = got.error();
      return true;
    }
    is_eof = got->is_eof();
    if (!got->is_data()) break;
    moved = true;
    if (const auto fed = session_.feed(std::span(buffer).first(got->bytes)); !fed)
      error = fed.error();
  }
  if (!tls->is_established()) return moved;
  if (!session_.drain(out_, 1 << 20)) error = Error{};
  const size_t before = out_.size();
  if (!out_.empty())
    if (const auto wrote = tls->write(out_); !wrote) error = wrote.error();
  return moved || out_.size() != before;
}

void ForeignPeer::send_raw(std::string_view bytes) {
  ASSERT_TRUE(out_.append(bytes));
}

h2::StreamId ForeignPeer::connect(const std::string& authority) {
  http::MessageHead head;
  head.method = "CONNECT";
  head.authority = authority;
  const auto id = session_.open(head, http::EndOfMessage::kNo);
  return id ? *id : 0;
}

void ForeignPeer::on_head(h2::StreamId stream, http::MessageHead head, http::EndOfMessage end) {
  seen[stream].head = std::move(head);
  seen[stream].has_head = true;
  seen[stream].is_ended = end == http::EndOfMessage::kYes;
}

void ForeignPeer::on_body(h2::StreamId stream, std::span<const std::byte> bytes) {
  seen[stream].body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!is_crediting) return;
  session_.credit(stream, bytes.size());
  session_.credit_connection(bytes.size());
}

// ---- the world ----------------------------------------------------------------------------------

HboneWorld::HboneWorld() = default;

HboneWorld::~HboneWorld() {
  // In an order that no real owner guarantees: tunnels and requests outlive connections.
  client.connection.reset();
  server.connection.reset();
  foreign.reset();
}

std::shared_ptr<const tls::TlsContext> HboneWorld::context(const std::string& account,
                                                           std::chrono::seconds lifetime) {
  static const TestMesh mesh;  // keys are slow to make, and all tests share one mesh
  const tls::SpiffeId id = spiffe_id("shop", account);
  CertSpec spec = CertSpec::of(id.to_string());
  spec.not_after_from_now = lifetime;
  auto made = tls::TlsContext::make(to_material(make_signed(spec, mesh.root), mesh.root, id));
  EXPECT_TRUE(made);
  return *made;
}

void HboneWorld::run() {
  bool moved = true;
  while (moved) {
    moved = turns.run_all();
    for (TunnelEnd& end : ends) moved |= end.work();
    if (foreign) moved |= foreign->work();
    moved |= wires.deliver();
  }
}

void HboneWorld::advance(std::chrono::milliseconds by) {
  run();
  while (alarms.advance_to_next(by)) run();
}

void HboneWorld::start_client(std::unique_ptr<io::ByteStream> lower) {
  auto made = hbone::ClientConnection::start({environment,
                                              account(),
                                              context("web", client_lifetime),
                                              {spiffe_id("shop", "cart")},
                                              std::move(lower)},
                                             client);
  ASSERT_TRUE(made) << made.error().message();
  client.connection = std::move(*made);
}

void HboneWorld::start_server(std::unique_ptr<io::ByteStream> lower) {
  auto made = hbone::ServerConnection::start(
      {environment, account(), context("cart", server_lifetime), std::move(lower)}, server);
  ASSERT_TRUE(made) << made.error().message();
  server.connection = std::move(*made);
}

void HboneWorld::connect() {
  auto wire = wires.make();
  to_client = wire.to_first;
  to_server = wire.to_second;
  start_client(std::move(wire.first));
  start_server(std::move(wire.second));
  run();
}

void HboneWorld::connect_to_foreign(const h2::Settings& settings) {
  auto wire = wires.make();
  to_client = wire.to_first;
  to_server = wire.to_second;
  start_client(std::move(wire.first));
  auto tls = tls::TlsStream::accept(
      {context("cart", server_lifetime), std::move(wire.second), blocks, signer});
  ASSERT_TRUE(tls);
  foreign = std::make_unique<ForeignPeer>(blocks, std::move(*tls), h2::Role::kServer, settings);
  run();
}

void HboneWorld::accept_foreign(const h2::Settings& settings) {
  auto wire = wires.make();
  to_client = wire.to_first;
  to_server = wire.to_second;
  start_server(std::move(wire.second));
  auto tls = tls::TlsStream::connect(
      {context("web", client_lifetime), std::move(wire.first), blocks, signer},
      {spiffe_id("shop", "cart")});
  ASSERT_TRUE(tls);
  foreign = std::make_unique<ForeignPeer>(blocks, std::move(*tls), h2::Role::kClient, settings);
  run();
}

h2::StreamId HboneWorld::open(const std::string& authority) {
  hbone::TunnelRequest request{authority, {}};
  request.headers.add("forwarded", "for=\"10.0.0.1:4711\"");
  const auto id = client.connection->open(
      request, [this](auto result) { answers.push_back(std::move(result)); });
  EXPECT_TRUE(id) << id.error().message();
  return id ? *id : 0;
}

TunnelEnd& HboneWorld::end_for(std::unique_ptr<hbone::Tunnel> tunnel) {
  ends.emplace_back(blocks);
  ends.back().take(std::move(tunnel));
  return ends.back();
}

HboneWorld::TunnelPair HboneWorld::open_pair() {
  open();
  run();
  if (server.requests.empty()) return {};
  auto accepted = server.requests.back()->accept();
  server.requests.pop_back();
  run();
  if (!accepted || answers.empty() || !answers.back()) return {};
  TunnelPair pair;
  pair.server = &end_for(std::move(*accepted));
  pair.client = &end_for(std::move(*answers.back()));
  answers.pop_back();
  return pair;
}

}  // namespace keelson::test
