#include "serving/http_server.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>

#include "io/connect.h"
#include "served_admin.h"

namespace keelson::admin {
namespace {

// A blocking client that says exactly which bytes it sends.
class RawClient {
 public:
  explicit RawClient(const std::string& path) : fd_(io::connect_unix_blocking(path).value()) {}
  void send(const std::string& text) {
    ASSERT_EQ(::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  void end_sending() { ::shutdown(fd_.get(), SHUT_WR); }
  // Until `wanted` was seen, or the server's end; 5 s at most.
  std::string read_until(const std::string& wanted) {
    while (seen_.find(wanted) == std::string::npos && read_some()) {
    }
    return seen_;
  }
  std::string read_to_end() {
    while (read_some()) {
    }
    return seen_;
  }

 private:
  bool read_some() {
    pollfd ready{fd_.get(), POLLIN, 0};
    if (::poll(&ready, 1, 5000) != 1) {
      ADD_FAILURE() << "nothing came in 5 s after: " << seen_;
      return false;
    }
    char bytes[4096];
    const ssize_t count = ::recv(fd_.get(), bytes, sizeof bytes, 0);
    if (count > 0) seen_.append(bytes, static_cast<size_t>(count));
    return count > 0;
  }
  Fd fd_;
  std::string seen_;
};

size_t times(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

const std::string kGetVersion = "GET /v1/version HTTP/1.1\r\nHost: agent\r\n\r\n";
const std::string kGetHealthClosing =
    "GET /healthz HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n";

TEST(HttpServer, SocketIsForItsOwnerOnly) {
  ServedAdmin admin;
  ASSERT_TRUE(admin.opened);
  struct stat info {};
  ASSERT_EQ(::stat(admin.socket_path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  ServedAdmin admin;
  RawClient client(admin.socket_path());
  client.send(kGetVersion + "GET /nope HTTP/1.1\r\nHost: a\r\n\r\n" + kGetHealthClosing);
  const std::string answer = client.read_to_end();
  EXPECT_EQ(times(answer, "HTTP/1.1 "), 3u) << answer;
  EXPECT_LT(answer.find("\"version\":\"0.1.0\""), answer.find("404 Not Found")) << answer;
  EXPECT_LT(answer.find("404 Not Found"), answer.find("ok\n")) << answer;
}

TEST(HttpServer, TakesARequestByteByByte) {
  ServedAdmin admin;
  RawClient client(admin.socket_path());
  for (const char byte : kGetHealthClosing) client.send(std::string(1, byte));
  EXPECT_NE(client.read_to_end().find("200 OK"), std::string::npos);
}

TEST(HttpServer, RefusesOversizedMalformedAndBodiedRequests) {
  ServedAdmin admin;
  const auto answer_to = [&](const std::string& request) {
    RawClient client(admin.socket_path());
    client.send(request);
    return client.read_to_end();
  };
  EXPECT_NE(answer_to("GET / HTTP/1.1\r\nHost: a\r\nx: " + std::string(20000, 'y')).find(" 431 "),
            std::string::npos);
  EXPECT_NE(answer_to("GET /\n\n").find(" 400 "), std::string::npos);
  EXPECT_NE(answer_to("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n").find(" 400 "), std::string::npos);
  EXPECT_NE(answer_to("POST /v1/status HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
                .find(" 413 "),
            std::string::npos);
  EXPECT_NE(
      answer_to("DELETE /v1/status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").find(" 405 "),
      std::string::npos);
}

TEST(HttpServer, DropsAClientThatDoesNotFinishItsRequest) {
  serving::HttpLimits limits;
  limits.request = std::chrono::milliseconds(50);
  ServedAdmin admin(limits);
  RawClient client(admin.socket_path());
  client.send("GET /v1/ver");
  EXPECT_EQ(client.read_to_end(), "");
}

TEST(HttpServer, ClosesConnectionsOverTheLimitAndCountsThem) {
  serving::HttpLimits limits;
  limits.connections_max = 1;
  ServedAdmin admin(limits);
  RawClient first(admin.socket_path());
  first.send(kGetVersion);
  first.read_until("0.1.0");
  RawClient second(admin.socket_path());
  EXPECT_EQ(second.read_to_end(), "");
  uint64_t refused = 0;
  admin.on_loop([&] { refused = admin.server->counts().refused; });
  EXPECT_EQ(refused, 1u);
}

TEST(HttpServer, TcpServesHealthAndMetricsAndNothingElse) {
  ServedAdmin admin;
  ASSERT_NE(admin.tcp.port, 0);
  const auto answer_to = [&](const std::string& path) {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage address{};
    const socklen_t length = admin.tcp.to_sockaddr(address);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    const std::string text = "GET " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    EXPECT_EQ(::send(fd.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    std::string answer;
    char bytes[4096];
    for (ssize_t n; (n = ::recv(fd.get(), bytes, sizeof bytes, 0)) > 0;)
      answer.append(bytes, static_cast<size_t>(n));
    return answer;
  };
  EXPECT_NE(answer_to("/healthz").find("200 OK"), std::string::npos);
  EXPECT_NE(answer_to("/metrics").find("keelson_agent_build_info"), std::string::npos);
  EXPECT_NE(answer_to("/v1/status").find("404"), std::string::npos);
  EXPECT_NE(answer_to("/v1/observe?follow=1").find("404"), std::string::npos);
}

TEST(Readiness, ContentThatNobodyCouldEverReadIsMissingWithPlaceAndFix) {
  Readiness readiness({kTaskFilesKnown});
  EXPECT_FALSE(readiness.is_ready());
  const model::Finding finding{model::Severity::kError, Reason::syntax_error, {"a.yaml", 3}, "",
                               "end of list expected",  "close the list"};
  readiness.mark_unknown_content({finding, finding});
  ASSERT_EQ(readiness.missing().size(), 1u);
  const std::string detail = readiness.missing()[0].detail;
  EXPECT_TRUE(detail.starts_with("a.yaml:3: end of list expected;")) << detail;
  EXPECT_TRUE(detail.ends_with("close the list (and 1 more)")) << detail;
  readiness.mark_unknown_content({});
  EXPECT_TRUE(readiness.is_ready());
}

TEST(HttpServer, ReadinessListsWhatIsMissingAndFindingsDoNotMatter) {
  ServedAdmin admin;
  const auto readyz = [&] {
    RawClient client(admin.socket_path());
    client.send("GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    return client.read_to_end();
  };
  admin.on_loop([&] { admin.state.tasks.mark_done(kTaskSourceRead); });
  const std::string missing = readyz();
  EXPECT_NE(missing.find(" 503 "), std::string::npos);
  EXPECT_NE(missing.find("missing hold_connected"), std::string::npos);
  admin.on_loop([&] {
    admin.state.tasks.mark_done(kTaskHoldConnected);
    admin.state.mesh.live.findings.push_back(
        {model::Severity::kError, Reason::syntax_error, {"a.yaml", 3}, "", "broken", ""});
  });
  const std::string ready = readyz();
  EXPECT_NE(ready.find(" 200 "), std::string::npos);
  EXPECT_NE(ready.find("finding a.yaml:3"), std::string::npos);
}

TEST(HttpServer, StreamsFlowsAsTheyComeAndEndsWithTheLastChunk) {
  ServedAdmin admin;
  RawClient client(admin.socket_path());
  client.send("GET /v1/observe?follow=1 HTTP/1.1\r\nHost: a\r\n\r\n");
  client.read_until("transfer-encoding: chunked\r\n\r\n");
  admin.on_loop([&] { admin.flows.add(denied_event()); });
  EXPECT_NE(client.read_until("policy_denied").find("application/x-ndjson"), std::string::npos);
  RawClient finite(admin.socket_path());
  finite.send("GET /v1/observe?last=5 HTTP/1.1\r\nHost: a\r\n\r\n" + kGetHealthClosing);
  const std::string answer = finite.read_to_end();
  EXPECT_NE(answer.find("}\n\r\n0\r\n\r\nHTTP/1.1 200 OK"), std::string::npos) << answer;
}

TEST(HttpServer, SlowReaderLosesEventsAndOthersGoOn) {
  ServedAdmin admin({}, {.ring_flows = 16, .queue_flows = 16, .readers_max = 4});
  RawClient slow(admin.socket_path());
  slow.send("GET /v1/observe?follow=1 HTTP/1.1\r\nHost: a\r\n\r\n");
  slow.read_until("chunked\r\n\r\n");
  constexpr int kFlows = 5000;  // far more bytes than the socket's buffers and ours hold
  for (int i = 0; i < kFlows / 10; ++i)
    admin.on_loop([&] {
      for (int k = 0; k < 10; ++k) admin.flows.add(denied_event());
    });
  uint64_t lost = 0;
  admin.on_loop([&] { lost = admin.flows.slow_reader_lost(); });
  EXPECT_GT(lost, 0u);
  EXPECT_LT(lost, static_cast<uint64_t>(kFlows));
  RawClient other(admin.socket_path());
  other.send(kGetHealthClosing);
  EXPECT_NE(other.read_to_end().find("ok\n"), std::string::npos);
  EXPECT_NE(slow.read_until("{\"lost\":").find("{\"lost\":"), std::string::npos);
}

TEST(HttpServer, ForgetsAReaderThatWentAway) {
  ServedAdmin admin;
  {
    RawClient client(admin.socket_path());
    client.send("GET /v1/observe?follow=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.read_until("chunked\r\n\r\n");
  }
  size_t readers = 1;
  for (int turn = 0; turn < 1000 && readers > 0; ++turn)
    admin.on_loop([&] { readers = admin.flows.readers(); });
  EXPECT_EQ(readers, 0u);
}

TEST(HttpServer, LargeAnswersArriveWhole) {
  ServedAdmin admin;
  admin.on_loop([&] {
    for (int i = 0; i < 3000; ++i)
      admin.state.mesh.add_pod("out", "raw-x" + std::to_string(i), "n2", "10.9.0.1", "raw");
  });
  RawClient client(admin.socket_path());
  client.send("GET /v1/config/workloads HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string answer = client.read_to_end();
  EXPECT_GT(answer.size(), 500'000u);
  EXPECT_EQ(answer.substr(answer.size() - 3), "]}\n");
  const auto at = answer.find("content-length: ");
  const auto body = answer.find("\r\n\r\n") + 4;
  EXPECT_EQ(std::stoul(answer.substr(at + 16)), answer.size() - body);
}

TEST(ParseTarget, DecodesPathAndQuery) {
  const auto request = serving::parse_target("/v1/why?from=shop%2Fweb-1&to=a+b&x&port=80");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->path, "/v1/why");
  EXPECT_EQ(request->query.at("from"), "shop/web-1");
  EXPECT_EQ(request->query.at("to"), "a+b");
  EXPECT_EQ(request->query.at("x"), "");
  for (const char* bad : {"", "status", "*", "/a%0d", "/%4", "/a?b=%zz", "/%00"})
    EXPECT_FALSE(serving::parse_target(bad)) << bad;
}

}  // namespace
}  // namespace keelson::admin
