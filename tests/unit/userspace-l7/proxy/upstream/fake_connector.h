// FakeConnector: a Connector whose streams are memory and come when the test says so. One thread.
#pragma once

#include <deque>
#include <vector>

#include "lib/tls/stream_pair.h"
#include "proxy/upstream/connector.h"

namespace keelson::proxy {

// The server's end of one connection.
struct Server {
  std::shared_ptr<test::Pipe> requests = std::make_shared<test::Pipe>();
  std::shared_ptr<test::Pipe> answers = std::make_shared<test::Pipe>();
  test::MemoryStream* stream = nullptr;
  bool is_retiring = false;

  void say(std::string_view text) const {
    for (const char c : text) answers->bytes.push_back(static_cast<std::byte>(c));
  }
  void end() const { answers->is_ended = true; }
  // What an event loop would do; nothing once the proxy has destroyed its end.
  bool announce() const { return answers.use_count() > 1 && stream->announce(); }
};

// Connects when the test says so.
struct FakeConnector final : Connector {
  struct Dialled final : Attempt {
    explicit Dialled(FakeConnector& connector) : owner(connector) {}
    ~Dialled() override { owner.attempts--; }
    FakeConnector& owner;
  };
  Result<std::unique_ptr<Attempt>> connect(const Target& target, OnStream on_stream) override {
    if (is_refusing) return fail(Reason::socket_pool_empty, ErrorSource::kInternal, "dry");
    waiting.push_back(std::move(on_stream));
    dialled.push_back(target.destination);
    attempts++;
    return std::make_unique<Dialled>(*this);
  }
  Server& answer() {
    Server& server = servers.emplace_back();
    auto bytes = std::make_unique<test::MemoryStream>(server.answers, server.requests);
    server.stream = bytes.get();
    const OnStream first = std::move(waiting.front());
    waiting.pop_front();
    first(Carried{std::move(bytes), [&server] { return server.is_retiring; }});
    return server;
  }
  void fail_first(Reason why, int os_errno = 0) {
    const OnStream first = std::move(waiting.front());
    waiting.pop_front();
    first(Failure({why, ErrorSource::kUpstream, true, os_errno, "no"}));
  }
  std::deque<OnStream> waiting;
  std::deque<Server> servers;
  std::vector<Endpoint> dialled;
  int attempts = 0;
  bool is_refusing = false;
};

}  // namespace keelson::proxy
