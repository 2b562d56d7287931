// TlsPeer: one end of a TLS connection as a test drives it: a stream, what is still to be written,
// what was read, and how it ended. TlsPeers: two of them over in-memory pipes.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cert_fixture.h"
#include "stream_pair.h"
#include "tls/tls_stream.h"

namespace keelson::test {

class TlsPeer : private io::StreamObserver {
 public:
  explicit TlsPeer(BlockPool& pool) : to_write(pool) {}

  void take(std::unique_ptr<tls::TlsStream> made) {
    stream = std::move(made);
    stream->observe(this);
  }
  void write(const std::string& text) { ASSERT_TRUE(to_write.append(text)); }

  // Reads and writes as far as it goes; obeys the contract: after "would block" it does not ask
  // again before it was told. True: something moved.
  bool work() {
    if (!stream || error) return false;
    bool moved = false;
    while (is_reading && may_read && !is_eof && !error) moved |= read_once();
    if (!error && may_write && (!to_write.empty() || (is_ending && !is_shut)))
      moved |= write_once();
    return moved;
  }

  std::unique_ptr<tls::TlsStream> stream;
  BufferChain to_write;
  std::string received;
  std::optional<Error> error;
  bool is_ending = false;  // half-close after the last byte
  bool is_shut = false;
  bool is_eof = false;
  bool is_reading = true;  // false: the application is slow
  bool may_read = true;
  bool may_write = true;
  size_t read_bytes = 8192;
  size_t writable_calls = 0;

 private:
  bool read_once() {
    std::vector<std::byte> buffer(read_bytes);
    const auto got = stream->read(buffer);
    if (!got) {
      error = got.error();
      return true;
    }
    if (got->is_data()) received.append(reinterpret_cast<const char*>(buffer.data()), got->bytes);
    is_eof = got->is_eof();
    may_read = !got->is_would_block();
    return !got->is_would_block();
  }
  bool write_once() {
    const auto wrote = stream->write(to_write);
    if (!wrote) {
      error = wrote.error();
      return true;
    }
    may_write = to_write.empty();
    if (!to_write.empty() || !is_ending) return *wrote > 0;
    is_shut = true;
    const auto shut = stream->shutdown_write();
    if (!shut) error = shut.error();
    return true;
  }
  void on_readable() noexcept override { may_read = true; }
  void on_writable() noexcept override {
    may_write = true;
    writable_calls++;
  }
};

class TlsPeers {
 public:
  explicit TlsPeers(tls::Signer& signer) : signer_(signer) {}

  void begin(const tls::KeyMaterial& client_material, const tls::KeyMaterial& server_material,
             std::vector<tls::SpiffeId> expected) {
    auto client_context = tls::TlsContext::make(client_material);
    auto server_context = tls::TlsContext::make(server_material);
    ASSERT_TRUE(client_context) << client_context.error().message();
    ASSERT_TRUE(server_context) << server_context.error().message();
    begin_with(*client_context, *server_context, std::move(expected));
  }
  void begin_with(std::shared_ptr<const tls::TlsContext> client_context,
                  std::shared_ptr<const tls::TlsContext> server_context,
                  std::vector<tls::SpiffeId> expected) {
    auto client_end = std::make_unique<MemoryStream>(to_client, to_server);
    auto server_end = std::make_unique<MemoryStream>(to_server, to_client);
    client_lower = client_end.get();
    server_lower = server_end.get();
    auto connected = tls::TlsStream::connect(
        {std::move(client_context), std::move(client_end), pool, signer_}, std::move(expected));
    auto accepted =
        tls::TlsStream::accept({std::move(server_context), std::move(server_end), pool, signer_});
    ASSERT_TRUE(connected) << connected.error().message();
    ASSERT_TRUE(accepted) << accepted.error().message();
    client.take(std::move(*connected));
    server.take(std::move(*accepted));
  }
  void fragment(size_t bytes) {
    to_client->read_bytes_max = bytes;
    to_server->read_bytes_max = bytes;
  }
  // Until nothing moves any more: what is stuck then would be stuck for ever.
  void run() {
    bool moved = true;
    while (moved) {
      moved = client.work();
      moved |= server.work();
      if (client.stream) moved |= client_lower->announce();
      if (server.stream) moved |= server_lower->announce();
    }
  }

  BlockPool pool;  // first: the streams use it
  std::shared_ptr<Pipe> to_client = std::make_shared<Pipe>();
  std::shared_ptr<Pipe> to_server = std::make_shared<Pipe>();
  TlsPeer client{pool};
  TlsPeer server{pool};
  MemoryStream* client_lower = nullptr;
  MemoryStream* server_lower = nullptr;

 private:
  tls::Signer& signer_;
};

}  // namespace keelson::test
