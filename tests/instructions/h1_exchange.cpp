// One HTTP/1.1 request of a kept connection and its answer of 1 KiB: the proxy's own way from the
// client's stream to a server's kept one and back, among 1,000 routed Services, with counters and
// the access log. Answers come from pods of the same node.
#include <list>
#include <string>

#include "collected.h"
#include "operation.h"
#include "proxy/access_log_file.h"
#include "proxy/downstream/http_connection.h"
#include "side.h"
#include "support/fake_clock.h"
#include "wire.h"

namespace keelson::instructions {
namespace {

using proxy::Services;

constexpr uint64_t kServices = 1000;
constexpr uint64_t kAsked = 500;  // id of the Service that is asked
constexpr size_t kPodsEach = 3;   // of a Service; those of the asked one are on this node
constexpr uint64_t kClientIdentity = 1, kServerIdentity = 2;

const std::string kRequest =
    "GET /api/orders/4711?page=2 HTTP/1.1\r\n"
    "Host: app-500.shop.svc.cluster.local\r\n"
    "User-Agent: shop-frontend/3.1 (linux)\r\n"
    "Accept: application/json\r\n"
    "Accept-Encoding: gzip\r\n"
    "X-Request-Id: 5f4dcc3b-5aa7-65d6-1d83-27deb882cf99\r\n"
    "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
    "X-Version: v2\r\n"
    "\r\n";

const std::string kAnswer =
    "HTTP/1.1 200 OK\r\n"
    "Server: nginx/1.22.1\r\n"
    "Date: Sat, 28 Nov 2026 01:00:00 GMT\r\n"
    "Content-Type: application/octet-stream\r\n"
    "Content-Length: 1024\r\n"
    "Last-Modified: Sat, 28 Nov 2026 00:00:00 GMT\r\n"
    "Connection: keep-alive\r\n"
    "ETag: \"6568b1c0-400\"\r\n"
    "Accept-Ranges: bytes\r\n"
    "\r\n" +
    std::string(1024, 'x');

// ---- the configuration ------------------------------------------------------------------------

Endpoint endpoint_of(uint64_t service, size_t pod) {
  return {*IpAddress::parse("10." + std::to_string(pod) + "." + std::to_string(service / 250) +
                            "." + std::to_string(service % 250 + 1)),
          8080};
}

// Paths below /api with and without a header, and everything else.
std::shared_ptr<const config::ServiceRoutes> routes_of(uint64_t service, const std::string& name) {
  auto set = std::make_shared<config::RouteSet>();
  const auto add = [&](config::RequestMatch match) {
    config::RouteRule& rule = set->rules.emplace_back();
    rule.name = "shop/" + name + "#" + std::to_string(set->rules.size() - 1);
    rule.backends.emplace_back().service = {service, 0};
    rule.backends[0].name = "shop/" + name + ":80";
    set->entries.push_back({std::move(match), static_cast<uint32_t>(set->rules.size() - 1)});
  };
  config::RequestMatch match;
  match.path = "/api";
  match.headers = {{config::TextMatch::kExact, "x-version", "v2"}};
  add(match);
  match.headers.clear();
  add(match);
  add({});
  auto routes = std::make_shared<config::ServiceRoutes>();
  routes->producer = std::move(set);
  return routes;
}

void add_service(config::RuntimeConfig& runtime, uint64_t id) {
  const std::string name = "app-" + std::to_string(id);
  runtime.services[id] = std::make_shared<const config::Service>(config::Service{
      .ns = "shop", .name = name, .port = 80, .ids = {id, 0}, .routes = routes_of(id, name)});
  auto set = std::make_shared<config::EndpointSet>();
  set->service = "shop/" + name + ":80";
  for (size_t pod = 0; pod < kPodsEach; pod++) {
    set->endpoints.push_back(endpoint_of(id, pod));
    const std::string node = id == kAsked ? "a" : "b";
    runtime.workloads[set->endpoints.back().address] = std::make_shared<const config::Workload>(
        config::Workload{"shop/" + name + "-" + std::to_string(pod), kServerIdentity, node, true});
  }
  runtime.endpoints[id] = std::move(set);
}

std::shared_ptr<const config::LocalPod> add_pod(config::RuntimeConfig& runtime,
                                                const std::string& name, uint64_t cookie,
                                                uint64_t identity, const IpAddress& address) {
  auto pod = std::make_shared<config::LocalPod>();
  pod->uid = "7d9f2c1e-0000-4000-8000-00000000000" + std::to_string(cookie);
  pod->ns = "shop";
  pod->name = name;
  pod->netns_cookie = cookie;
  pod->identity = identity;
  pod->addresses = {address};
  runtime.local_pods[pod->uid] = pod;
  runtime.workloads[address] = std::make_shared<const config::Workload>(
      config::Workload{"shop/" + name, identity, "a", true});
  return pod;
}

config::RuntimeConfig make_runtime() {
  config::RuntimeConfig runtime;
  runtime.generation = 1;
  runtime.node_name = "a";
  runtime.trust_domain = "cluster.local";
  for (const uint64_t identity : {kClientIdentity, kServerIdentity})
    runtime.identities[identity] = std::make_shared<const config::Identity>(
        config::Identity{"cluster.local/ns/shop/sa/" + std::to_string(identity), nullptr});
  for (uint64_t id = 1; id <= kServices; id++) add_service(runtime, id);
  for (size_t pod = 0; pod < kPodsEach; pod++)
    add_pod(runtime, "app-500-" + std::to_string(pod), 2 + pod, kServerIdentity,
            endpoint_of(kAsked, pod).address);
  return runtime;
}

// ---- the servers ------------------------------------------------------------------------------

class Servers final : public proxy::Connector {
 public:
  Result<std::unique_ptr<Attempt>> connect(const proxy::Target&, OnStream on_stream) override {
    waiting_.push_back(std::move(on_stream));
    return std::make_unique<Attempt>();
  }
  void accept() {
    for (const OnStream& on_stream : std::exchange(waiting_, {})) {
      Server& server = servers_.emplace_back();
      auto end = std::make_unique<WireEnd>(server.answers, server.requests);
      server.end = end.get();
      on_stream(Carried{std::move(end)});
    }
  }
  bool announce() {
    bool told = false;
    for (Server& server : servers_) told |= server.end->announce();
    return told;
  }
  void answer() {
    for (Server& server : servers_) {
      if (!server.requests.bytes().ends_with("\r\n\r\n")) continue;
      server.requests.clear();
      server.answers.append(kAnswer);
    }
  }

 private:
  struct Server {
    Pipe requests, answers;
    WireEnd* end = nullptr;
  };
  std::vector<OnStream> waiting_;
  std::list<Server> servers_;
};

// ---- the operation ----------------------------------------------------------------------------

struct NoSource final : proxy::SocketSource {
  void fetch(const proxy::SocketKind&, uint32_t, OnSockets) override {}
};

struct NoDialer final : hbone::Dialer {
  Result<std::unique_ptr<Attempt>> dial(const hbone::PoolKey&, OnStream) override {
    return fail(Reason::io_error, ErrorSource::kInternal, "no tunnels here");
  }
  Result<Identity> identify(const hbone::PoolKey&) override {
    return fail(Reason::identity_pending, ErrorSource::kConfig, "no tunnels here");
  }
};

class H1Exchange final : public Operation, private proxy::Registry {
 public:
  H1Exchange() {
    auto runtime = make_runtime();
    auto pod = add_pod(runtime, "web-0", 1, kClientIdentity, client_.address);
    std::vector<Error> findings;
    config_ = proxy::make_serving_config(
        std::make_shared<const config::RuntimeConfig>(std::move(runtime)), nullptr, findings);
    expect(findings.empty(), "the configuration is not served");
    proxy::Capture capture;
    capture.client = client_;
    capture.original = {*IpAddress::parse("10.96.0.1"), 80};
    capture.service_id = kAsked;
    capture.service = config_->runtime->services.at(kAsked);
    auto end = std::make_unique<WireEnd>(requests_, answers_);
    end_ = end.get();
    connection_ = std::make_unique<proxy::HttpConnection>(services_, pod, capture, std::move(end));
    settle();
  }
  ~H1Exchange() override { connection_.reset(); }

  void run() override {
    requests_.append(kRequest);
    settle();
    expect(answers_.bytes().size() > 1024 && answers_.bytes().starts_with("HTTP/1.1 200 "),
           "no answer");
    answers_.clear();
  }

 private:
  // Until nothing moves any more.
  void settle() {
    while (work()) servers_.answer();
  }
  bool work() {
    servers_.accept();
    const Collected collected;
    bool told = end_->announce();
    told |= servers_.announce();
    return side_.run_turn() || told;
  }
  void remove(proxy::Connection&) noexcept override { connection_.reset(); }

  const Endpoint client_{*IpAddress::parse("10.9.0.1"), 40000};
  Side side_;
  test::FakeClock clock_;
  proxy::Stats stats_;
  const std::unique_ptr<proxy::AccessLogFile> log_ =
      must(proxy::AccessLogFile::open("/dev/null", kAccessLogBytesMax));
  NoSource source_;
  proxy::SocketStock stock_{source_, side_.alarms};
  NoDialer dialer_;
  hbone::Pool tunnels_{side_.environment, dialer_};
  proxy::Rng rng_{1};
  Servers servers_;
  proxy::UpstreamPool upstreams_{servers_, side_.blocks, side_.alarms, clock_};
  proxy::PodsInUse pods_{[](const config::LocalPod&) {}};
  std::shared_ptr<const proxy::SocketFacts> facts_;
  proxy::ConfigLease config_;
  const Services services_{.loop = side_.loop,
                           .scheduler = side_.scheduler,
                           .blocks = side_.blocks,
                           .alarms = side_.alarms,
                           .clock = clock_,
                           .stats = stats_,
                           .log = *log_,
                           .sockets = stock_,
                           .tunnels = tunnels_,
                           .upstreams = upstreams_,
                           .pods = pods_,
                           .rng = rng_,
                           .connections = *this,
                           .config = config_,
                           .facts = facts_};
  Pipe requests_, answers_;
  WireEnd* end_ = nullptr;
  std::unique_ptr<proxy::HttpConnection> connection_;
};

}  // namespace

std::unique_ptr<Operation> make_h1_exchange() {
  return std::make_unique<H1Exchange>();
}

}  // namespace keelson::instructions
