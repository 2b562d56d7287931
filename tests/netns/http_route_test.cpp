// HTTPRoute at work: an application's own HTTP client and servers on two nodes, the proxy between.
// pay-v1 runs on the other node (mTLS), pay-v2 on the client's own.
#include <cstring>
#include <fstream>

#include "support/http_peer.h"
#include "support/netns_lab.h"
#include "support/packet_watch.h"

namespace keelson::test {
namespace {

std::string route_yaml(std::string_view rules, std::string_view name = "pay") {
  return "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: " +
         std::string(name) +
         ", namespace: shop}\nspec:\n  parentRefs:\n  - {group: \"\", kind: Service, name: pay}\n"
         "  rules:\n" +
         std::string(rules);
}

std::string split(int v1, int v2) {
  return "  - name: split\n    backendRefs:\n    - {name: pay-v1, port: 80, weight: " +
         std::to_string(v1) + "}\n    - {name: pay-v2, port: 80, weight: " + std::to_string(v2) +
         "}\n";
}

constexpr char kRules[] = R"(  - matches:
    - path: {type: Exact, value: /exact}
    backendRefs: [{name: pay-v2, port: 80}]
  - matches:
    - path: {type: PathPrefix, value: /old}
    filters:
    - type: URLRewrite
      urlRewrite: {hostname: new.example, path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}
    backendRefs: [{name: pay-v2, port: 80}]
  - matches:
    - path: {type: PathPrefix, value: /moved}
    filters:
    - type: RequestRedirect
      requestRedirect: {hostname: other.example, statusCode: 301}
  - matches:
    - headers: [{name: x-canary, value: "yes"}]
    - path: {type: PathPrefix, value: /q}
      queryParams: [{name: v, value: "2"}]
    - path: {type: PathPrefix, value: /m}
      method: POST
    - path: {type: RegularExpression, value: "/item/[0-9]+"}
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier: {set: [{name: x-set, value: one}], remove: [x-secret]}
    - type: ResponseHeaderModifier
      responseHeaderModifier: {add: [{name: x-mesh, value: keelson}]}
    backendRefs: [{name: pay-v2, port: 80}]
  - matches:
    - path: {type: PathPrefix, value: /nobody}
    backendRefs: []
  - matches:
    - path: {type: PathPrefix, value: /missing}
    backendRefs: [{name: no-such, port: 80}]
  - matches:
    - path: {type: PathPrefix, value: /empty}
    backendRefs: [{name: nothing, port: 80}]
  - matches:
    - path: {type: PathPrefix, value: /late}
    timeouts: {request: 200ms}
    backendRefs: [{name: pay-v1, port: 80}]
  - matches:
    - path: {type: PathPrefix, value: /v1}
    backendRefs: [{name: pay-v1, port: 80}]
)";

struct HttpRoute : LabTest<HttpRoute> {
  static NetnsLabOptions options() {
    return {.manifest = namespace_yaml("shop", true) + account_yaml("shop", "web") +
                        account_yaml("shop", "mallory") + service_yaml("shop", "pay", 80, 8080) +
                        service_yaml("shop", "pay-v1", 80, 8080) +
                        service_yaml("shop", "pay-v2", 80, 8080) +
                        service_yaml("shop", "nothing", 80, 8080) +
                        pod_yaml("shop", "pay-v1", "node2") + pod_yaml("shop", "pay-v2", "node1") +
                        pod_yaml("shop", "web", "node1", "web") +
                        pod_yaml("shop", "mallory", "node1", "mallory") + route_yaml(split(90, 10)),
            .without = {}};
  }
  void SetUp() override {
    LabTest<HttpRoute>::SetUp();
    ASSERT_TRUE(lab().wait_settled());
    v1 = std::make_unique<HttpServer>(lab().netns("pay-v1"), 8080, "v1");
    v2 = std::make_unique<HttpServer>(lab().netns("pay-v2"), 8080, "v2");
  }

  // Until the proxy serves it, which a rule of this call's own tells.
  void use(const std::string& rules) {
    const std::string path = "/used-" + std::to_string(++uses_);
    lab().apply(route_yaml(rules + "  - matches: [{path: {type: Exact, value: " + path +
                           "}}]\n    filters:\n    - {type: RequestRedirect, requestRedirect: "
                           "{hostname: used.example}}\n"),
                "route.yaml");
    ASSERT_TRUE(wait_until([&] { return client().get(path).status == 302; }));
  }
  HttpClient client(std::string_view from = "web") {
    return HttpClient(lab().netns(from), lab().service4("shop", "pay", 80));
  }
  // The newest line of a request with this path.
  nlohmann::json access_line(const std::string& path) {
    nlohmann::json found;
    wait_until([&] {
      std::ifstream log(lab().layout().component_log("node1", lab::Component::kProxy));
      for (std::string line; std::getline(log, line);) {
        auto record = nlohmann::json::parse(line, nullptr, false);
        if (record.is_object() && record.value("http_path", "") == path) found = record;
      }
      return !found.is_null();
    });
    return found;
  }

  std::unique_ptr<HttpServer> v1, v2;

 private:
  static inline int uses_ = 0;
};

TEST_F(HttpRoute, TenPercentOfOneConnectionsRequestsReachTheCanary) {
  use(split(90, 10));
  constexpr int kRequests = 5000;
  PacketWatch link(lab().netns("node1"), "eth0");
  for (const Endpoint& to :
       {lab().service4("shop", "pay", 80), lab().service6("shop", "pay", 80)}) {
    HttpClient web(lab().netns("web"), to);
    std::map<std::string, int> answers;
    for (int i = 0; i < kRequests; i++) {
      const HttpAnswer answer = web.get("/canary", "x-marker: secret-marker\r\n");
      ASSERT_EQ(answer.status, 200) << i;
      answers[answer.server()]++;
    }
    EXPECT_EQ(answers["v1"] + answers["v2"], kRequests);
    EXPECT_NEAR(answers["v2"] * 100.0 / kRequests, 10, 2) << to.to_string();
  }
  EXPECT_FALSE(link.has_seen("secret-marker"));
  const std::string web4 = lab().pod("web").ip4, web6 = lab().pod("web").ip6;
  for (const HttpServer* server : {v1.get(), v2.get()})
    for (const Endpoint& peer : server->peers())
      EXPECT_TRUE(peer.address == endpoint(web4, 1).address ||
                  peer.address == endpoint(web6, 1).address)
          << peer.to_string();
}

TEST_F(HttpRoute, EachRuleServesWhatItMatches) {
  use(kRules);
  HttpClient web = client();
  EXPECT_EQ(web.get("/exact").server(), "v2");
  EXPECT_EQ(web.get("/v1/any").server(), "v1");
  EXPECT_EQ(web.get("/q?v=2").server(), "v2");
  EXPECT_EQ(web.get("/item/12").server(), "v2");
  EXPECT_EQ(web.get("/v1", "x-canary: yes\r\n").server(), "v1") << "a longer prefix goes first";
  EXPECT_EQ(web.ask("POST /m HTTP/1.1\r\nhost: pay\r\ncontent-length: 2\r\n\r\nhi").server(), "v2");
  // What matches nothing, in all the ways in which it almost does.
  for (const char* path : {"/exact/", "/exactly", "/v1x", "/q?v=1", "/m", "/item/x", "/"}) {
    const HttpAnswer answer = web.get(path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.headers.at("x-keelson-reason"), "route_not_found");
  }
  EXPECT_EQ(web.get("/nobody").headers.at("x-keelson-reason"), "route_without_backend");
  EXPECT_EQ(web.get("/nobody").status, 500);
  EXPECT_EQ(web.get("/missing").status, 500);
  EXPECT_EQ(web.get("/empty").status, 503);
  EXPECT_EQ(web.ask("HEAD /none HTTP/1.1\r\nhost: pay\r\n\r\n").status, 404);
  EXPECT_EQ(web.get("/exact").server(), "v2") << "the connection went on through all of it";
}

TEST_F(HttpRoute, FiltersChangeWhatTheyName) {
  use(kRules);
  HttpClient web = client();
  HttpAnswer answer = web.get("/item/7", "x-secret: s\r\nx-set: two\r\n");
  EXPECT_NE(answer.body.find("x-set: one"), std::string::npos) << answer.body;
  EXPECT_EQ(answer.body.find("x-secret"), std::string::npos) << answer.body;
  EXPECT_EQ(answer.headers["x-mesh"], "keelson");
  answer = web.get("/old/page?a=b");
  EXPECT_NE(answer.body.find("GET /new/page?a=b HTTP/1.1"), std::string::npos) << answer.body;
  EXPECT_NE(answer.body.find("host: new.example"), std::string::npos) << answer.body;
  answer = web.get("/moved/x?y=z");
  EXPECT_EQ(answer.status, 301);
  EXPECT_EQ(answer.headers["location"], "http://other.example/moved/x?y=z");
}

TEST_F(HttpRoute, ALateAnswerIs504AndTheNextRequestIsServed) {
  use(kRules);
  HttpClient web = client();
  const HttpAnswer late = web.get("/late", "x-delay-ms: 3000\r\n");
  EXPECT_EQ(late.status, 504);
  EXPECT_EQ(late.headers.at("x-keelson-reason"), "request_timeout");
  EXPECT_EQ(web.get("/late").status, 200);
}

TEST_F(HttpRoute, EveryFormOfMessagePassesBothWays) {
  use("  - backendRefs: [{name: pay-v1, port: 80}]\n");
  HttpClient web = client();
  HttpAnswer answer = web.get("/", "x-answer: chunked\r\n");
  EXPECT_EQ(answer.server(), "v1");
  EXPECT_EQ(answer.trailers["x-check"], "done");
  answer = web.ask(
      "POST /up HTTP/1.1\r\nhost: pay\r\ntransfer-encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n6\r\n world\r\n0\r\nx-sum: 11\r\n\r\n");
  EXPECT_NE(answer.body.find("hello world"), std::string::npos) << answer.body;
  EXPECT_NE(answer.body.find("[x-sum: 11]"), std::string::npos) << answer.body;
  const std::string large(3 << 20, 'x');
  answer =
      web.ask("PUT /big HTTP/1.1\r\nhost: pay\r\ncontent-length: " + std::to_string(large.size()) +
              "\r\n\r\n" + large);
  EXPECT_EQ(answer.status, 200);
  EXPECT_NE(answer.body.find(large), std::string::npos);
  EXPECT_EQ(web.ask("HEAD / HTTP/1.1\r\nhost: pay\r\n\r\n").status, 200);
  EXPECT_EQ(web.get("/", "x-status: 204\r\n").status, 204);
  EXPECT_EQ(web.get("/", "x-status: 304\r\n").status, 304);
  // Pipelined: answered in order.
  web.send("GET /1 HTTP/1.1\r\nhost: pay\r\n\r\nGET /2 HTTP/1.1\r\nhost: pay\r\n\r\n");
  EXPECT_NE(web.receive().body.find("GET /1 "), std::string::npos);
  EXPECT_NE(web.receive().body.find("GET /2 "), std::string::npos);
  // A client that waits for leave to send its body.
  web.send("POST /w HTTP/1.1\r\nhost: pay\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");
  EXPECT_EQ(web.receive_raw(25), "HTTP/1.1 100 Continue\r\n\r\n") << "before any byte of it";
  web.send("body");
  answer = web.receive();
  EXPECT_NE(answer.body.find("body"), std::string::npos);
  EXPECT_EQ(web.ask("GET / HTTP/1.0\r\n\r\n").status, 200);
  EXPECT_FALSE(web.get("/").status == 200) << "HTTP/1.0 without keep-alive ends the connection";
}

TEST_F(HttpRoute, AnUpgradedConnectionCarriesAnything) {
  use("  - backendRefs: [{name: pay-v1, port: 80}]\n");
  HttpClient web = client();
  web.send(
      "GET /ws HTTP/1.1\r\nhost: pay\r\nconnection: upgrade\r\nupgrade: echo\r\n"
      "x-answer: upgrade\r\n\r\n");
  EXPECT_EQ(web.receive().status, 101);
  for (const char* text : {"ping", "\x00\x01 not http \r\n\r\n"}) {
    web.send(text);
    EXPECT_EQ(web.receive_raw(std::strlen(text)), text);
  }
  web.send("bye");
  EXPECT_EQ(web.receive_raw(3), "bye");
  EXPECT_EQ(web.connection().wait_for_end(std::chrono::seconds(5)), 0) << "an end, no reset";
}

TEST_F(HttpRoute, AnAnswerThatOvertakesItsRequestArrivesWhole) {
  use("  - backendRefs: [{name: pay-v1, port: 80}]\n");
  const std::string body(1 << 20, 'b');
  const std::string head = "POST / HTTP/1.1\r\nhost: pay\r\ncontent-length: 1048576\r\n";
  // This client sends all of it before it reads.
  HttpAnswer answer = client().ask(head + "x-answer: early\r\n\r\n" + body);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body.size(), 300000u);
  answer = client().ask(head + "x-answer: refuse\r\n\r\n" + body.substr(0, 1000));
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.body, "much");
  use(kRules);
  answer =
      client().ask("POST /none HTTP/1.1\r\nhost: pay\r\ncontent-length: 1048576\r\n\r\n" + body);
  EXPECT_EQ(answer.status, 404);
}

TEST_F(HttpRoute, AClientThatDoesNotReadIsNotServedOnCredit) {
  use(kRules);
  HttpClient web = client();
  std::string many;
  for (int i = 0; i < 2000; i++) many += "GET /none HTTP/1.1\r\nhost: pay\r\n\r\n";
  web.send(many);
  for (int i = 0; i < 2000; i++) ASSERT_EQ(web.receive().status, 404) << i;
}

TEST_F(HttpRoute, ACutAnswerIsAResetAndNeverACleanEnd) {
  use("  - backendRefs: [{name: pay-v1, port: 80}]\n");
  const HttpAnswer cut = client().get("/cut", "x-answer: cut\r\n");
  EXPECT_EQ(cut.status, 0);
  EXPECT_TRUE(cut.was_reset);
  EXPECT_EQ(access_line("/cut")["reason"], "upstream_failed");
  HttpClient web = client();
  EXPECT_EQ(web.get("/", "x-answer: close\r\n").status, 200);
  EXPECT_EQ(web.get("/").status, 200) << "the backend's close is not the client's";
}

TEST_F(HttpRoute, AMalformedRequestIsRefusedByName) {
  use("  - backendRefs: [{name: pay-v1, port: 80}]\n");
  const size_t before = v1->requests();
  HttpAnswer answer = client().ask(
      "POST / HTTP/1.1\r\nhost: pay\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n");
  EXPECT_EQ(answer.status, 400);
  answer = client().ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  EXPECT_EQ(answer.status, 505);
  EXPECT_EQ(client().ask("CONNECT pay:80 HTTP/1.1\r\nhost: pay:80\r\n\r\n").status, 405);
  EXPECT_EQ(v1->requests(), before);
}

TEST_F(HttpRoute, AChangedRouteServesTheNextRequestOfAnOpenConnection) {
  use(split(1, 0));
  HttpClient web = client();
  EXPECT_EQ(web.get("/change").server(), "v1");
  const auto before = access_line("/change");
  EXPECT_EQ(before["rule"], "shop/pay#split");
  EXPECT_EQ(before["backend"], "shop/pay-v1:80");
  EXPECT_EQ(before["reason"], "answered");
  use(split(0, 1));
  EXPECT_TRUE(wait_until([&] { return web.get("/change").server() == "v2"; }));
  EXPECT_TRUE(wait_until([&] {
    return access_line("/change")["generation"].get<uint64_t>() >
           before["generation"].get<uint64_t>();
  }));
}

TEST_F(HttpRoute, ADeniedCallerIsResetAndThePolicyNamed) {
  use(split(0, 1));
  EXPECT_EQ(client("mallory").get("/denied").status, 200);
  lab().apply(deny_yaml("shop", "no-mallory", "pay-v2", "cluster.local/ns/shop/sa/mallory"),
              "deny.yaml");
  EXPECT_TRUE(wait_until([&] { return client("mallory").get("/denied").was_reset; }));
  // The first may have been cut while it was under way.
  EXPECT_TRUE(client("mallory").get("/denied").was_reset);
  const auto line = access_line("/denied");
  EXPECT_EQ(line["reason"], "policy_denied") << line.dump();
  EXPECT_EQ(line["policy"], "shop/no-mallory");
  EXPECT_TRUE(wait_until([&] {
    for (const auto& flow : lab().flows("node1", "last=50&verdict=denied"))
      if (flow["hook"] == "request" && flow["from"] == "shop/mallory" &&
          flow["to"] == "shop/pay-v2" && flow["service"] == "shop/pay" &&
          flow["policy"] == "shop/no-mallory")
        return true;
    return false;
  }));
  EXPECT_EQ(client("web").get("/denied").status, 200);
}

}  // namespace
}  // namespace keelson::test
