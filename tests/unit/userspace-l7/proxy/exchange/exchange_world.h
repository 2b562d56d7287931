// ExchangeWorld: one HttpConnection of pod shop/web to Service shop/pay on a real scheduler and
// upstream pool; the client, the servers, the alarms and the clock are the test's. Without routes
// requests go to the Service's own endpoints. One thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fake_alarms.h"
#include "proxy/downstream/http_connection.h"
#include "services_of.h"
#include "support/fake_clock.h"
#include "upstream/fake_connector.h"

namespace keelson::proxy {

class ExchangeWorld {
 public:
  ExchangeWorld();
  ~ExchangeWorld();

  // ---- configuration; serve() makes what `runtime` says the current one
  static Endpoint endpoint(const std::string& address) {
    return {*IpAddress::parse(address), 8080};
  }
  std::shared_ptr<config::LocalPod> add_pod(const std::string& name, const std::string& address,
                                            uint64_t identity);
  void set_endpoints(const std::vector<std::string>& addresses);
  // One rule for all requests, to the Service itself.
  config::RouteRule rule() const;
  void set_route(const config::RouteRule& rule, const std::string& path = "/");
  void serve();

  // ---- the client
  void say(std::string_view text);
  void get(std::string_view target = "/", std::string_view headers = "");
  void end_client() { requests->is_ended = true; }
  // Everything that came since the last call; what did not fit then may come now.
  std::string received();
  bool is_reset() const { return answers->is_reset; }
  bool is_over() const { return connection == nullptr; }

  // ---- the servers
  // The next dial succeeds.
  Server& accept();
  Server& server(size_t index = 0) { return connector.servers.at(index); }
  // Asks, is answered, and leaves a kept connection behind.
  Server& keep_connection();

  // ---- time
  bool turn();  // tells who waits and gives one turn; false: nothing was to be done
  void run();   // until nothing is
  // No block is left, or `left` of them, until release().
  void take_all_blocks(size_t left = 0);
  void release_blocks();
  void ring_starved() {
    alarms.ring_within(kStarvedRetry);
    run();
  }
  const AccessRecord& last() const { return log.records.at(log.records.size() - 1); }

  struct RecordingLog final : AccessLog {
    void write(const AccessRecord& record) override { records.push_back(record); }
    uint64_t dropped() const override { return 0; }
    std::vector<AccessRecord> records;
  };
  struct Owner final : Registry {
    explicit Owner(std::unique_ptr<HttpConnection>& owned) : connection(owned) {}
    void remove(Connection&) noexcept override { connection.reset(); }
    std::unique_ptr<HttpConnection>& connection;
  };
  struct NoSource final : SocketSource {
    void fetch(const SocketKind&, uint32_t, OnSockets) override {}
  };
  struct NoDialer final : hbone::Dialer {
    Result<std::unique_ptr<Attempt>> dial(const hbone::PoolKey&, OnStream) override {
      return fail(Reason::io_error, ErrorSource::kInternal, "");
    }
    Result<Identity> identify(const hbone::PoolKey&) override {
      return fail(Reason::identity_pending, ErrorSource::kConfig, "");
    }
  };

  io::EventLoop loop;
  Scheduler scheduler{[] {}};
  BlockPool blocks{128};
  FakeAlarms alarms;
  test::FakeClock clock;
  Stats stats;
  RecordingLog log;
  NoSource source;
  SocketStock stock{source, alarms};
  tls::InlineSigner signer;
  NoDialer dialer;
  hbone::Pool tunnels{{scheduler, blocks, signer, alarms}, dialer};
  Rng rng{1};
  FakeConnector connector;
  UpstreamPool upstreams{connector, blocks, alarms, clock};
  PodsInUse pods{[](const config::LocalPod&) {}};
  std::shared_ptr<const SocketFacts> facts;
  config::RuntimeConfig runtime;
  ConfigLease config;
  std::shared_ptr<test::Pipe> requests = std::make_shared<test::Pipe>();
  std::shared_ptr<test::Pipe> answers = std::make_shared<test::Pipe>();
  test::MemoryStream* stream = nullptr;
  std::unique_ptr<HttpConnection> connection;
  Owner owner{connection};
  const Services services = services_of(*this, owner);

 private:
  std::vector<Block*> taken_;
};

// "HTTP/1.1 200 OK" with this body.
std::string ok(std::string_view body);
// What a pipe holds, which loses it.
std::string take(test::Pipe& pipe);

}  // namespace keelson::proxy
