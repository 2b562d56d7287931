#include "rest/curl_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "support/fake_clock.h"
#include "support/https_server.h"

namespace keelson::rest {
namespace {

using test::HttpsServer;
using testing::ElementsAre;
using Script = HttpsServer::Script;

class CurlClientTest : public testing::Test {
 protected:
  void serve(Script script, bool asks_for_certificate = false) {
    https_ = std::make_unique<HttpsServer>(std::move(script), asks_for_certificate);
    server_.url = https_->url();
    server_.server_name = "kube.test";
    server_.ca_pem = https_->ca_pem();
  }
  void connect() { client_ = std::make_unique<CurlClient>(loop_, clock_, server_); }

  Result<Answer> ask(Request request) {
    if (!client_) connect();
    std::optional<Result<Answer>> got;
    const auto call =
        client_->send(std::move(request), [&](Result<Answer> answer) { got = std::move(answer); });
    run_until([&] { return got.has_value(); });
    return *got;
  }
  Result<Answer> get(std::string target) {
    Request request;
    request.target = std::move(target);
    return ask(std::move(request));
  }
  Reason reason_of(const Result<Answer>& answer) {
    return answer ? Reason::none : answer.error().reason;
  }
  void run_until(const std::function<bool()>& holds) {
    while (!holds()) loop_.run_once();
  }

  SystemClock clock_;
  io::EventLoop loop_;
  std::unique_ptr<HttpsServer> https_;
  Server server_;
  std::unique_ptr<CurlClient> client_;
};

TEST_F(CurlClientTest, ARequestBringsStatusBodyAndRetryAfter) {
  serve([](const HttpsServer::Request& request, HttpsServer::Writer& out) {
    out.answer(request.target() == "/a?b=c" ? 429 : 500, "later", "Retry-After: 7\r\n");
    return true;
  });
  const auto answer = get("/a?b=c");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 429);
  EXPECT_EQ(answer->body, "later");
  EXPECT_EQ(answer->retry_after, std::chrono::seconds(7));
}

TEST_F(CurlClientTest, MethodBodyContentTypeAndTokenAreSent) {
  std::string head, body;
  serve([&](const HttpsServer::Request& request, HttpsServer::Writer& out) {
    head = request.head;
    body = request.body;
    out.answer(201, "");
    return true;
  });
  server_.token = [] { return Result<std::string>("secret"); };
  Request request;
  request.method = "PATCH";
  request.target = "/x";
  request.content_type = "application/apply-patch+yaml";
  request.body = "{}";
  EXPECT_EQ(ask(request)->status, 201);
  EXPECT_THAT(head, testing::StartsWith("PATCH /x HTTP/1.1"));
  EXPECT_THAT(head, testing::HasSubstr("Content-Type: application/apply-patch+yaml\r\n"));
  EXPECT_THAT(head, testing::HasSubstr("Authorization: Bearer secret\r\n"));
  EXPECT_EQ(body, "{}");
}

TEST_F(CurlClientTest, ATokenThatCannotBeReadIsAnErrorOfTheCallInALaterTurn) {
  serve([](const HttpsServer::Request&, HttpsServer::Writer&) { return false; });
  server_.token = []() -> Result<std::string> {
    return fail(Reason::credentials_unusable, ErrorSource::kConfig, "no token");
  };
  connect();
  bool called = false;
  const auto call = client_->send({}, [&](const Result<Answer>& answer) {
    called = true;
    EXPECT_EQ(reason_of(answer), Reason::credentials_unusable);
  });
  EXPECT_FALSE(called);
  run_until([&] { return called; });
}

TEST_F(CurlClientTest, CallsShareAConnectionThatIsKept) {
  serve([](const HttpsServer::Request&, HttpsServer::Writer& out) {
    out.answer(200, "ok");
    return true;
  });
  for (int i = 0; i < 3; ++i) EXPECT_EQ(get("/")->body, "ok");
  EXPECT_EQ(https_->connections(), 1u);
}

TEST_F(CurlClientTest, AnUnknownRootAWrongNameAndAMissingClientCertificateAreTold) {
  const Script ok = [](const HttpsServer::Request&, HttpsServer::Writer& out) {
    out.answer(200, "ok");
    return true;
  };
  serve(ok);
  server_.ca_pem = test::make_self_signed(test::CertSpec::ca("other")).cert_pem();
  EXPECT_EQ(reason_of(get("/")), Reason::certificate_untrusted);
  client_.reset();
  server_.ca_pem = https_->ca_pem();
  server_.server_name.clear();
  EXPECT_EQ(reason_of(get("/")), Reason::certificate_untrusted);
  client_.reset();
  server_.server_name = "kube.test";
  EXPECT_EQ(get("/")->status, 200);
}

TEST_F(CurlClientTest, AClientCertificateOpensTheDoor) {
  serve(
      [](const HttpsServer::Request&, HttpsServer::Writer& out) {
        out.answer(200, "ok");
        return true;
      },
      true);
  EXPECT_FALSE(get("/"));
  client_.reset();
  const auto me = test::make_signed(test::CertSpec{}, https_->root());
  server_.client_certificate_pem = me.cert_pem();
  server_.client_key_pem = me.key_pem();
  const auto answer = get("/");
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->body, "ok");
}

TEST_F(CurlClientTest, NobodyThereACutAnswerAndTooLongAnAnswerAreNamed) {
  serve([](const HttpsServer::Request& request, HttpsServer::Writer& out) {
    if (request.target() == "/cut") {
      out.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
      return false;
    }
    out.answer(200, std::string(1000, 'x'));
    return true;
  });
  EXPECT_EQ(reason_of(get("/cut")), Reason::http_truncated);
  Request request;
  request.target = "/long";
  request.answer_bytes_max = 999;
  EXPECT_EQ(reason_of(ask(request)), Reason::server_answer_too_large);
  request.answer_bytes_max = 1000;
  EXPECT_EQ(ask(request)->body.size(), 1000u);
  client_.reset();
  https_.reset();
  EXPECT_EQ(reason_of(get("/")), Reason::cannot_reach);
}

TEST_F(CurlClientTest, ASilentServerMeetsTheTimeLimit) {
  serve([](const HttpsServer::Request&, HttpsServer::Writer& out) {
    out.wait_for_end();
    return false;
  });
  Request request;
  request.time_limit = std::chrono::milliseconds(50);
  EXPECT_EQ(reason_of(ask(request)), Reason::server_silent);
}

struct Stream {
  std::vector<std::string> lines;
  bool is_open = false;
  std::optional<Result<Answer>> end;
  std::unique_ptr<Call> call;

  StreamHandler handler() {
    return {.on_open = [this] { is_open = true; },
            .on_line = [this](std::string line) { lines.push_back(std::move(line)); },
            .on_end = [this](Result<Answer> answer) { end = std::move(answer); }};
  }
};

TEST_F(CurlClientTest, AStreamBringsLinesWhateverTheirPieces) {
  serve([](const HttpsServer::Request&, HttpsServer::Writer& out) {
    out.begin_chunked();
    out.chunk("one\ntw");
    out.chunk("o\n\nthr");
    out.chunk("ee\n");
    out.end_chunked();
    return true;
  });
  connect();
  Stream stream;
  stream.call = client_->open_stream({}, stream.handler());
  run_until([&] { return stream.end.has_value(); });
  EXPECT_TRUE(stream.is_open);
  EXPECT_THAT(stream.lines, ElementsAre("one", "two", "three"));
  ASSERT_TRUE(*stream.end);
  EXPECT_EQ((*stream.end)->status, 200);
}

TEST_F(CurlClientTest, ARefusedStreamBringsNoLineButTheAnswer) {
  serve([](const HttpsServer::Request&, HttpsServer::Writer& out) {
    out.answer(410, "{}\n");
    return true;
  });
  connect();
  Stream stream;
  stream.call = client_->open_stream({}, stream.handler());
  run_until([&] { return stream.end.has_value(); });
  EXPECT_FALSE(stream.is_open);
  EXPECT_TRUE(stream.lines.empty());
  EXPECT_EQ((*stream.end)->status, 410);
  EXPECT_EQ((*stream.end)->body, "{}\n");
}

TEST_F(CurlClientTest, ALineOverTheLimitEndsTheStream) {
  serve([](const HttpsServer::Request&, HttpsServer::Writer& out) {
    out.begin_chunked();
    out.chunk("short\n" + std::string(101, 'x'));
    out.wait_for_end();
    return false;
  });
  connect();
  Stream stream;
  StreamRequest request;
  request.line_bytes_max = 100;
  stream.call = client_->open_stream(request, stream.handler());
  run_until([&] { return stream.end.has_value(); });
  EXPECT_THAT(stream.lines, ElementsAre("short"));
  EXPECT_EQ(reason_of(*stream.end), Reason::server_answer_too_large);
}

TEST_F(CurlClientTest, AStreamThatGoesSilentEndsAndTheNextCallTakesANewConnection) {
  serve([](const HttpsServer::Request& request, HttpsServer::Writer& out) {
    if (request.target() == "/ok") {
      out.answer(200, "ok");
      return true;
    }
    out.begin_chunked();
    out.chunk("one\n");
    out.wait_for_end();
    return false;
  });
  connect();
  Stream stream;
  StreamRequest request;
  request.target = "/silent";
  request.idle_limit = std::chrono::milliseconds(100);
  stream.call = client_->open_stream(request, stream.handler());
  run_until([&] { return stream.end.has_value(); });
  EXPECT_THAT(stream.lines, ElementsAre("one"));
  EXPECT_EQ(reason_of(*stream.end), Reason::server_silent);
  EXPECT_EQ(get("/ok")->body, "ok");
  EXPECT_EQ(https_->connections(), 2u);
}

TEST_F(CurlClientTest, ACancelledCallIsNeverHeardOf) {
  serve([](const HttpsServer::Request&, HttpsServer::Writer& out) {
    out.answer(200, "ok");
    return true;
  });
  connect();
  auto silent = client_->send({}, [](const Result<Answer>&) { FAIL() << "was cancelled"; });
  silent.reset();
  EXPECT_EQ(get("/")->body, "ok");
}

TEST_F(CurlClientTest, ACallbackMayCancelItsOwnStreamAndBeginAnother) {
  serve([](const HttpsServer::Request& request, HttpsServer::Writer& out) {
    if (request.target() == "/next") {
      out.answer(200, "ok");
      return true;
    }
    out.begin_chunked();
    out.chunk("one\ntwo\nthree\n");
    out.wait_for_end();
    return false;
  });
  connect();
  std::vector<std::string> lines;
  std::string next;
  std::unique_ptr<Call> stream, request;
  StreamHandler handler;
  handler.on_line = [&](std::string line) {
    lines.push_back(std::move(line));
    stream.reset();
    Request second;
    second.target = "/next";
    request = client_->send(second, [&](const Result<Answer>& answer) { next = answer->body; });
  };
  stream = client_->open_stream({}, std::move(handler));
  run_until([&] { return !next.empty(); });
  EXPECT_THAT(lines, ElementsAre("one"));
  EXPECT_EQ(next, "ok");
}

}  // namespace
}  // namespace keelson::rest
