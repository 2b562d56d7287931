// Envoy as a foreign HBONE peer in both roles, over loopback TLS: CONNECT over HTTP/2 with mutual
// SPIFFE certificates. Skipped when the wheel is not installed.
#include <gtest/gtest.h>

#include <thread>

#include "envoy_process.h"
#include "hbone_world.h"
#include "io/connect.h"
#include "io/listener.h"
#include "io/tcp_stream.h"
#include "tcp_echo.h"
#include "wait_until.h"

namespace keelson::test {
namespace {

constexpr const char* kClientConfig = R"(
static_resources:
  listeners:
  - name: capture
    address: {socket_address: {address: 127.0.0.1, port_value: @ENTRY@}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: hbone
          cluster: hbone
          tunneling_config:
            hostname: "10.0.0.2:8080"
            headers_to_add:
            - header: {key: baggage, value: "k8s.namespace.name=shop"}
  clusters:
  - name: hbone
    type: STATIC
    load_assignment:
      cluster_name: hbone
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: @PEER@}}}}]}]
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        common_tls_context:
@TLS@
)";

constexpr const char* kServerConfig = R"(
static_resources:
  listeners:
  - name: hbone
    address: {socket_address: {address: 127.0.0.1, port_value: @ENTRY@}}
    filter_chains:
    - transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: true
          common_tls_context:
@TLS@
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: hbone
          codec_type: HTTP2
          stream_idle_timeout: 0s
          http2_protocol_options: {allow_connect: true, max_concurrent_streams: 100}
          upgrade_configs: [{upgrade_type: CONNECT}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts:
            - name: pods
              domains: ["10.0.0.2:8080"]
              routes:
              - match: {connect_matcher: {}}
                route:
                  cluster: application
                  timeout: 0s
                  upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]
            - name: nobody
              domains: ["10.0.0.3:8080"]
              routes:
              - match: {connect_matcher: {}}
                route:
                  cluster: nobody
                  upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]
  clusters:
  - name: application
    type: STATIC
    load_assignment:
      cluster_name: application
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: @PEER@}}}}]}]
  - name: nobody
    type: STATIC
    load_assignment:
      cluster_name: nobody
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]
)";

std::string substitute(std::string text, const std::string& name, const std::string& value) {
  for (size_t at; (at = text.find(name)) != std::string::npos;)
    text.replace(at, name.size(), value);
  return text;
}

// A loop of its own beside HboneWorld's turns: real sockets, real time.
class EnvoyInterop : public ::testing::Test {
 protected:
  void SetUp() override {
    if (envoy_binary().empty())
      GTEST_SKIP() << "no Envoy: tools/setup installs it, or set KEELSON_ENVOY";
    peer_port = unused_port();
    entry_port = unused_port();
  }
  // `account` speaks for Envoy, which talks only to `expected`.
  std::string tls_yaml(const std::string& account, const std::string& expected) {
    const auto leaf = make_signed(CertSpec::of(spiffe_id("shop", account).to_string()), mesh.root);
    const std::string indent(12, ' ');
    return indent + "alpn_protocols: [h2]\n" + indent +
           "tls_params: {tls_minimum_protocol_version: TLSv1_3, "
           "tls_maximum_protocol_version: TLSv1_3}\n" +
           indent + "tls_certificates: [{certificate_chain: {filename: " +
           folder.write("leaf.pem", leaf.cert_pem()) +
           "}, private_key: {filename: " + folder.write("key.pem", leaf.key_pem()) + "}}]\n" +
           indent + "validation_context: {trusted_ca: {filename: " +
           folder.write("root.pem", mesh.root.cert_pem()) +
           "}, match_typed_subject_alt_names: [{san_type: URI, matcher: {exact: \"" +
           spiffe_id("shop", expected).to_string() + "\"}}]}\n";
  }
  void start_envoy(const char* config, const std::string& account, const std::string& expected) {
    std::string yaml = substitute(config, "@TLS@\n", tls_yaml(account, expected));
    yaml = substitute(yaml, "@ENTRY@", std::to_string(entry_port));
    envoy = std::make_unique<EnvoyProcess>(folder,
                                           substitute(yaml, "@PEER@", std::to_string(peer_port)));
    ASSERT_TRUE(envoy->wait_listening(entry_port)) << folder.read("envoy.log");
  }
  std::shared_ptr<const tls::TlsContext> context(const std::string& account) {
    return *tls::TlsContext::make(mesh.material("shop", account));
  }
  // Until it holds; false after the patience.
  bool run_until(const std::function<bool()>& holds) {
    return wait_until([&] {
      loop.run_ready();
      turns.run_all();
      for (TunnelEnd& end : ends) end.work();
      turns.run_all();
      loop.run_ready();
      return holds();
    });
  }
  static Endpoint loopback(uint16_t port) { return {*IpAddress::parse("127.0.0.1"), port}; }

  const TestMesh mesh;
  const ScratchFolder folder;
  uint16_t peer_port = 0;   // whom Envoy dials
  uint16_t entry_port = 0;  // where Envoy listens
  BlockPool blocks;
  io::EventLoop loop;
  TurnTaker turns;
  hbone::LoopAlarms alarms{loop};
  tls::InlineSigner signer;
  hbone::Environment environment{turns, blocks, signer, alarms};
  hbone::Account charged{hbone::Tenant{}, std::make_shared<hbone::ByteBudget>(8u << 20)};
  std::unique_ptr<EnvoyProcess> envoy;
  std::deque<TunnelEnd> ends;
};

// ---- Envoy is the client
// --------------------------------------------------------------------------

class EnvoyAsClient : public EnvoyInterop {
 protected:
  void SetUp() override {
    EnvoyInterop::SetUp();
    if (IsSkipped()) return;
    auto listening = io::listen_tcp(loopback(peer_port));
    ASSERT_TRUE(listening);
    auto opened = io::Listener::open(loop, std::move(*listening), [this](io::Socket socket) {
      auto lower = io::TcpStream::open(loop, std::move(socket));
      auto made = hbone::ServerConnection::start(
          {environment, charged, context("cart"), std::move(*lower)}, handler);
      handler.connection = std::move(*made);
    });
    ASSERT_TRUE(opened);
    listener = std::move(*opened);
    start_envoy(kClientConfig, "web", "cart");
  }
  void TearDown() override { ends.clear(); }
  std::unique_ptr<io::Listener> listener;
  ServerHandler handler;
};

TEST_F(EnvoyAsClient, OpensATunnelThatEchoesAndHalfCloses) {
  const std::string text(1'500'000, 'e');
  TcpCaller caller(entry_port, text);
  ASSERT_TRUE(run_until([&] { return !handler.requests.empty(); })) << folder.read("envoy.log");
  const auto& request = *handler.requests[0];
  EXPECT_EQ(request.authority().to_string(), "10.0.0.2:8080");
  EXPECT_EQ(request.headers().first("baggage"), "k8s.namespace.name=shop");
  EXPECT_EQ(request.peer().id, spiffe_id("shop", "web"));
  auto tunnel = handler.requests[0]->accept();
  ASSERT_TRUE(tunnel);
  TunnelEnd& end = ends.emplace_back(blocks);
  end.take(std::move(*tunnel));
  ASSERT_TRUE(run_until([&] { return end.is_eof; })) << end.received.size();
  EXPECT_TRUE(end.received == text);
  end.write(end.received);
  end.is_ending = true;
  ASSERT_TRUE(run_until([&] { return caller.is_done(); }));
  EXPECT_TRUE(caller.received() == text);
  EXPECT_TRUE(caller.is_clean_end());
}

TEST_F(EnvoyAsClient, PassesOurRefusalOnWithoutATunnel) {
  TcpCaller caller(entry_port, "hello");
  ASSERT_TRUE(run_until([&] { return !handler.requests.empty(); }));
  handler.requests[0]->refuse(401);
  ASSERT_TRUE(run_until([&] { return caller.is_done(); }));
  EXPECT_EQ(caller.received(), "");
}

// ---- Envoy is the server
// --------------------------------------------------------------------------

class EnvoyAsServer : public EnvoyInterop {
 protected:
  void SetUp() override {
    EnvoyInterop::SetUp();
    if (IsSkipped()) return;
    echo = std::make_unique<TcpEcho>(peer_port);
    start_envoy(kServerConfig, "cart", "web");
  }
  void TearDown() override {
    ends.clear();
    answers.clear();
    client.connection.reset();
  }
  void connect() {
    bool is_connected = false;
    auto attempt = io::Connect::start(loop, loopback(entry_port), [&](Result<io::Socket> socket) {
      is_connected = true;
      ASSERT_TRUE(socket);
      auto lower = io::TcpStream::open(loop, std::move(*socket));
      auto made = hbone::ClientConnection::start(
          {environment, charged, context("web"), {spiffe_id("shop", "cart")}, std::move(*lower)},
          client);
      ASSERT_TRUE(made);
      client.connection = std::move(*made);
    });
    ASSERT_TRUE(run_until([&] { return is_connected && client.is_established; }))
        << folder.read("envoy.log");
  }
  void open(const std::string& authority) {
    const auto opened = client.connection->open(
        {authority, {}}, [this](auto result) { answers.push_back(std::move(result)); });
    ASSERT_TRUE(opened);
    ASSERT_TRUE(run_until([&] { return !answers.empty(); })) << folder.read("envoy.log");
  }
  std::unique_ptr<TcpEcho> echo;
  ClientOwner client;
  std::vector<Result<std::unique_ptr<hbone::Tunnel>>> answers;
};

TEST_F(EnvoyAsServer, ServesATunnelThatEchoesAndHalfCloses) {
  connect();
  open("10.0.0.2:8080");
  ASSERT_TRUE(answers[0]) << answers[0].error().message();
  TunnelEnd& end = ends.emplace_back(blocks);
  end.take(std::move(*answers[0]));
  const std::string text(1'500'000, 'k');
  end.write(text);
  end.is_ending = true;
  ASSERT_TRUE(run_until([&] { return end.is_eof || end.read_error; })) << end.received.size();
  EXPECT_FALSE(end.read_error);
  EXPECT_TRUE(end.received == text);
  EXPECT_TRUE(run_until([&] { return client.connection->streams() == 0; }));
}

TEST_F(EnvoyAsServer, ItsRefusalOfAnUnreachableWorkloadHasAName) {
  connect();
  open("10.0.0.3:8080");
  ASSERT_FALSE(answers[0]);
  EXPECT_EQ(answers[0].error().reason, Reason::connect_refused);
  EXPECT_FALSE(client.is_finished);
}

}  // namespace
}  // namespace keelson::test
