// A full mutual handshake between two workloads of one mesh, from making a side's stream to its
// destruction.
#include "cert_fixture.h"
#include "collected.h"
#include "operation.h"
#include "tls/tls_stream.h"
#include "wire.h"

namespace keelson::instructions {
namespace {

class TlsHandshake final : public Operation {
 public:
  explicit TlsHandshake(Measured side) : measured_(side) {}

  void run() override {
    start();
    while (!client_.stream->is_established() || !server_.stream->is_established()) {
      bool moved = advance(server_, Measured::kServer);
      moved |= advance(client_, Measured::kClient);
      expect(moved, "the handshake is stuck");
    }
    end(client_, Measured::kClient);
    end(server_, Measured::kServer);
  }

 private:
  struct End {
    std::unique_ptr<tls::TlsStream> stream;
    WireEnd* lower = nullptr;
  };

  void start() {
    to_client_.clear();
    to_server_.clear();
    {
      const Collected collected(measured_ == Measured::kClient);
      auto lower = std::make_unique<WireEnd>(to_client_, to_server_);
      client_.lower = lower.get();
      client_.stream = must(tls::TlsStream::connect(
          {client_context_, std::move(lower), blocks_, signer_}, {test::spiffe_id("pay", "till")}));
      must(client_.stream->handshake());
    }
    const Collected collected(measured_ == Measured::kServer);
    auto lower = std::make_unique<WireEnd>(to_server_, to_client_);
    server_.lower = lower.get();
    server_.stream =
        must(tls::TlsStream::accept({server_context_, std::move(lower), blocks_, signer_}));
    must(server_.stream->handshake());
  }
  bool advance(End& end, Measured side) {
    const Collected collected(measured_ == side);
    if (end.stream->is_established() || !end.lower->announce()) return false;
    must(end.stream->handshake());
    return true;
  }
  void end(End& end, Measured side) {
    const Collected collected(measured_ == side);
    end.stream.reset();
  }

  const Measured measured_;
  const test::TestMesh mesh_;
  const std::shared_ptr<const tls::TlsContext> client_context_ =
      must(tls::TlsContext::make(mesh_.material("shop", "cart")));
  const std::shared_ptr<const tls::TlsContext> server_context_ =
      must(tls::TlsContext::make(mesh_.material("pay", "till")));
  BlockPool blocks_;
  tls::InlineSigner signer_;
  Pipe to_client_, to_server_;
  End client_, server_;
};

}  // namespace

std::unique_ptr<Operation> make_tls_handshake(Measured side) {
  return std::make_unique<TlsHandshake>(side);
}

}  // namespace keelson::instructions
