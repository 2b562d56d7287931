// FakeRuntime: a container runtime's gRPC server on a Unix socket, on a thread of its own: HTTP/2
// by our own session, answers by the test. Answers every call at once or never; each connection is
// served to its end before the next.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>

#include "base/block_pool.h"
#include "base/fd.h"
#include "http/h2/session.h"

namespace keelson::pods::test {

struct FakeAnswer {
  std::string message;
  int status = 0;  // of gRPC
  enum class End { kAnswer, kSilence, kHangUp };
  End end = End::kAnswer;
};

class FakeRuntime final : private h2::Sink {
 public:
  // `answer`: method and request message; called on the runtime's thread.
  using Serve = std::function<FakeAnswer(const std::string& method, const std::string& message)>;

  FakeRuntime(const std::string& path, Serve serve) : serve_(std::move(serve)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_.get(), 8) != 0)
      abort();
    thread_ = std::thread([this] { run(); });
  }
  ~FakeRuntime() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

 private:
  void run() {
    for (;;) {
      const Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client) return;
      serve_connection(client);
    }
  }
  void serve_connection(const Fd& client) {
    h2::Session session(h2::Role::kServer, h2::Settings{}, pool_, *this);
    session_ = &session;
    client_ = client.get();
    std::array<char, 65536> buffer;
    for (;;) {
      BufferChain out(pool_);
      while (session.wants_write()) {
        if (!session.drain(out, 64u << 10) || out.empty()) break;
        const std::string bytes = out.to_string();
        out.clear();
        if (::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) return;
      }
      const ssize_t got = ::recv(client.get(), buffer.data(), buffer.size(), 0);
      if (got <= 0) return;
      if (!session.feed(std::as_bytes(std::span(buffer.data(), static_cast<size_t>(got))))) return;
    }
  }

  void on_head(h2::StreamId stream, http::MessageHead head, http::EndOfMessage) override {
    methods_[stream] = head.target;
  }
  void on_body(h2::StreamId stream, std::span<const std::byte> bytes) override {
    bodies_[stream].append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    session_->credit(stream, bytes.size());
    session_->credit_connection(bytes.size());
  }
  void on_end(h2::StreamId stream, http::HeaderList) override {
    const FakeAnswer answer = serve_(methods_[stream], bodies_[stream].substr(5));
    if (answer.end == FakeAnswer::End::kHangUp) ::shutdown(client_, SHUT_RDWR);
    if (answer.end != FakeAnswer::End::kAnswer) return;
    http::MessageHead head;
    head.version = http::Version::kHttp2;
    head.status = 200;
    head.headers.add("content-type", "application/grpc");
    if (answer.status != 0) {  // trailers only
      head.headers.add("grpc-status", std::to_string(answer.status));
      head.headers.add("grpc-message", "refused by the test");
      (void)session_->respond(stream, head, http::EndOfMessage::kYes);
      return;
    }
    (void)session_->respond(stream, head, http::EndOfMessage::kNo);
    const auto length = static_cast<uint32_t>(answer.message.size());
    std::string framed(1, '\0');
    for (const int shift : {24, 16, 8, 0}) framed += static_cast<char>((length >> shift) & 0xff);
    BufferChain body(pool_);
    if (!body.append(std::string_view(framed + answer.message))) abort();
    (void)session_->write_body(stream, body);
    http::HeaderList trailers;
    trailers.add("grpc-status", "0");
    (void)session_->write_end(stream, &trailers);
  }
  void on_reset(h2::StreamId, h2::ErrorCode) override {}
  void on_closed(h2::StreamId) override {}
  void on_writable(h2::StreamId) override {}
  void on_goaway(h2::StreamId, h2::ErrorCode) override {}
  void on_ping_answered() override {}

  Serve serve_;
  BlockPool pool_;
  Fd listener_;
  h2::Session* session_ = nullptr;
  int client_ = -1;
  std::map<h2::StreamId, std::string> methods_, bodies_;
  std::thread thread_;
};

}  // namespace keelson::pods::test
