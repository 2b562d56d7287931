// A request and its answer of 1 KiB through an established tunnel, as opaque bytes: application,
// relay, tunnel, HTTP/2, TLS, wire; each side on a worker of its own.
#include <string>

#include "cert_fixture.h"
#include "collected.h"
#include "operation.h"
#include "proxy/hbone/client_connection.h"
#include "proxy/hbone/server_connection.h"
#include "proxy/relay.h"
#include "side.h"
#include "support/fake_clock.h"
#include "wire.h"

namespace keelson::instructions {
namespace {

constexpr size_t kRequestBytes = 256;
constexpr size_t kAnswerBytes = 1024 + 256;  // with its head

// What proxy::Connection does with its relay.
class Carrier final : public hbone::Runnable {
 public:
  Carrier(Side& side, proxy::Tenant& tenant, const Clock& clock,
          std::unique_ptr<io::ByteStream> near, std::unique_ptr<io::ByteStream> far)
      : Runnable(side.scheduler, tenant.id()),
        relay_(std::move(near), std::move(far), side.blocks, tenant, clock, [this] { wake(); }) {
    wake();
  }

 private:
  size_t run(size_t budget_bytes) override {
    const auto progress = relay_.pump(budget_bytes);
    expect(!relay_.has_failed(), "the relay failed");
    if (progress.state == proxy::Relay::State::kMore) wake();
    return progress.bytes;
  }
  proxy::Relay relay_;
};

// One node: its worker, its connection's end on the wire, its application and the relay between.
struct Node {
  Node(Pipe& in, Pipe& out) : wire_in(in), wire_out(out) {}

  std::unique_ptr<io::ByteStream> make_wire() {
    auto made = std::make_unique<WireEnd>(wire_in, wire_out);
    wire = made.get();
    return made;
  }
  std::unique_ptr<io::ByteStream> make_application() {
    auto made = std::make_unique<WireEnd>(from_application, to_application);
    application = made.get();
    return made;
  }
  hbone::Account account() { return {tenant.id(), tenant.tunnel_budget()}; }
  bool work() {
    bool moved = wire != nullptr && wire->announce();
    if (application != nullptr) moved |= application->announce();
    return side.run_turn() || moved;
  }

  Pipe& wire_in;
  Pipe& wire_out;
  Pipe from_application, to_application;
  Side side;
  proxy::Tenant& tenant = side.scheduler.tenant("shop");
  WireEnd* wire = nullptr;
  WireEnd* application = nullptr;
  std::unique_ptr<Carrier> carrier;
};

struct ClientOwner final : hbone::ClientConnection::Owner {
  void on_established(hbone::ClientConnection&) override {}
  void on_room(hbone::ClientConnection&) override {}
  void on_finished(hbone::ClientConnection&, const Error*) override { connection.reset(); }
  std::unique_ptr<hbone::ClientConnection> connection;
};

struct ServerHandler final : hbone::ServerConnection::Handler {
  void on_established(hbone::ServerConnection&) override {}
  void on_connect(hbone::ServerConnection&,
                  std::unique_ptr<hbone::ConnectRequest> arrived) override {
    request = std::move(arrived);
  }
  void on_refused(hbone::ServerConnection&, Reason) override {}
  void on_finished(hbone::ServerConnection&, const Error*) override { connection.reset(); }
  std::unique_ptr<hbone::ServerConnection> connection;
  std::unique_ptr<hbone::ConnectRequest> request;
};

class HboneExchange final : public Operation {
 public:
  explicit HboneExchange(Measured side) : measured_(side) {
    connect();
    open_tunnel();
  }
  ~HboneExchange() override {
    for (Node* node : {&client_, &server_}) node->carrier.reset();
    owner_.connection.reset();
    handler_.connection.reset();
  }

  void run() override {
    client_.from_application.append(request_);
    settle();
    expect(server_.to_application.bytes() == request_, "the request did not arrive");
    server_.to_application.clear();
    server_.from_application.append(answer_);
    settle();
    expect(client_.to_application.bytes() == answer_, "the answer did not arrive");
    client_.to_application.clear();
  }

 private:
  std::shared_ptr<const tls::TlsContext> context(const char* account) const {
    return must(tls::TlsContext::make(mesh_.material("shop", account)));
  }
  void connect() {
    owner_.connection = must(hbone::ClientConnection::start({client_.side.environment,
                                                             client_.account(),
                                                             context("web"),
                                                             {test::spiffe_id("shop", "cart")},
                                                             client_.make_wire()},
                                                            owner_));
    handler_.connection = must(hbone::ServerConnection::start(
        {server_.side.environment, server_.account(), context("cart"), server_.make_wire()},
        handler_));
    settle();
    expect(owner_.connection && owner_.connection->is_established(), "no HBONE connection");
  }
  void open_tunnel() {
    hbone::TunnelRequest request{"10.0.0.2:8080", {}};
    request.headers.add("forwarded", "for=\"10.0.0.1:4711\"");
    std::unique_ptr<hbone::Tunnel> tunnel;
    must(owner_.connection->open(request, [&](auto made) { tunnel = must(std::move(made)); }));
    settle();
    expect(handler_.request != nullptr, "no CONNECT");
    auto accepted = must(handler_.request->accept());
    settle();
    expect(tunnel != nullptr, "no tunnel");
    client_.carrier = std::make_unique<Carrier>(client_.side, client_.tenant, clock_,
                                                client_.make_application(), std::move(tunnel));
    server_.carrier = std::make_unique<Carrier>(server_.side, server_.tenant, clock_,
                                                std::move(accepted), server_.make_application());
    settle();
  }
  // Until nothing moves any more.
  void settle() {
    for (bool moved = true; moved;) {
      moved = work(client_, Measured::kClient);
      moved |= work(server_, Measured::kServer);
    }
  }
  bool work(Node& node, Measured side) {
    const Collected collected(measured_ == side);
    return node.work();
  }

  const Measured measured_;
  const std::string request_ = std::string(kRequestBytes, 'q');
  const std::string answer_ = std::string(kAnswerBytes, 'a');
  const test::TestMesh mesh_;
  const test::FakeClock clock_;
  Pipe to_client_, to_server_;
  Node client_{to_client_, to_server_};
  Node server_{to_server_, to_client_};
  ClientOwner owner_;
  ServerHandler handler_;
};

}  // namespace

std::unique_ptr<Operation> make_hbone_exchange(Measured side) {
  return std::make_unique<HboneExchange>(side);
}

}  // namespace keelson::instructions
