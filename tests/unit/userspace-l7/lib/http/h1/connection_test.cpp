// ServerConnection and ClientConnection: order, keep-alive, 100-continue, tunnels, early ends.
#include "http/h1/connection.h"

#include <gtest/gtest.h>

#include "recorder.h"

namespace keelson::http::h1 {
namespace {

MessageHead answer(uint16_t status) {
  MessageHead head;
  head.status = status;
  return head;
}

MessageHead request(const char* method, const char* target = "/") {
  MessageHead head;
  head.method = method;
  head.authority = "a";
  head.target = target;
  return head;
}

class Server : public testing::Test {
 protected:
  size_t feed(std::string_view text) {
    const auto taken = connection.feed(bytes_of(text), recorder);
    EXPECT_TRUE(taken) << (taken ? "" : taken.error().message());
    return taken ? *taken : 0;
  }
  std::string drained() {
    BufferChain out(pool);
    connection.drain(out);
    return out.to_string();
  }
  void write_body(std::string_view text) {
    BufferChain body(pool);
    ASSERT_TRUE(body.append(text));
    const auto taken = connection.write_body(body);
    ASSERT_TRUE(taken);
    EXPECT_TRUE(body.empty());
  }

  BlockPool pool;
  Recorder recorder;
  ServerConnection connection{pool};
};

TEST_F(Server, TakesPipelinedRequestsOneAtATime) {
  const std::string one = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string two = "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_EQ(feed(one + two), one.size());
  EXPECT_EQ(feed(two), 0u) << "an answer is due";
  ASSERT_TRUE(connection.write_head(answer(200), EndOfMessage::kYes));
  EXPECT_TRUE(connection.is_idle());
  EXPECT_EQ(feed(two), two.size());
  EXPECT_EQ(recorder.messages[1].head.target, "/2");
  EXPECT_EQ(drained(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
}

TEST_F(Server, ChunksABodyOfUnknownLengthAndEndsItWithTrailers) {
  feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(connection.write_head(answer(200), EndOfMessage::kNo));
  write_body("hello");
  write_body("0123456789abcdef");
  HeaderList trailers;
  trailers.add("grpc-status", "0");
  trailers.add("content-length", "5");
  ASSERT_TRUE(connection.write_end(&trailers));
  EXPECT_EQ(drained(),
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"
            "10\r\n0123456789abcdef\r\n0\r\ngrpc-status: 0\r\n\r\n");
}

TEST_F(Server, HoldsTheBodyToItsDeclaredLength) {
  feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  MessageHead head = answer(200);
  head.content_length = 5;
  ASSERT_TRUE(connection.write_head(head, EndOfMessage::kNo));
  write_body("abc");
  BufferChain more(pool);
  ASSERT_TRUE(more.append("def"));
  const auto too_much = connection.write_body(more);
  ASSERT_FALSE(too_much);
  EXPECT_EQ(too_much.error().reason, Reason::http_body_mismatch);
  const auto too_little = connection.write_end();
  ASSERT_FALSE(too_little);
  EXPECT_EQ(too_little.error().reason, Reason::http_body_mismatch);
}

TEST_F(Server, BoundsWhatWaitsToBeSent) {
  feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(connection.write_head(answer(200), EndOfMessage::kNo));
  BufferChain body(pool);
  ASSERT_TRUE(body.append(std::string(4 * kHttpOutBytesMax, 'x')));
  const auto taken = connection.write_body(body);
  ASSERT_TRUE(taken);
  EXPECT_LE(*taken, kHttpOutBytesMax);
  EXPECT_GT(body.size(), 0u);
  EXPECT_EQ(*connection.write_body(body), 0u) << "full until drained";
  drained();
  EXPECT_GT(*connection.write_body(body), 0u);
}

TEST_F(Server, AnswersHeadWithTheLengthButNoBody) {
  feed("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  MessageHead head = answer(200);
  head.content_length = 7;
  ASSERT_TRUE(connection.write_head(head, EndOfMessage::kYes));
  EXPECT_EQ(drained(), "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n");
  EXPECT_TRUE(connection.is_idle());
}

TEST_F(Server, ClosesAfterTheAnswerWhenTheClientAskedForIt) {
  feed("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  ASSERT_TRUE(connection.write_head(answer(204), EndOfMessage::kYes));
  EXPECT_EQ(drained(), "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
  EXPECT_TRUE(connection.is_closing());
  EXPECT_EQ(feed("late"), 4u) << "dropped, so that the close is not a reset";
}

TEST_F(Server, NeverClosesBehindAnAnswerThatDidNotSaySo) {
  feed("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(connection.write_head(answer(200), EndOfMessage::kNo));
  connection.close_after_answer();
  ASSERT_TRUE(connection.write_end());
  EXPECT_FALSE(connection.is_closing());
  drained();
  feed("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(connection.write_head(answer(200), EndOfMessage::kYes));
  EXPECT_NE(drained().find("connection: close"), std::string::npos);
  EXPECT_TRUE(connection.is_closing());
}

TEST_F(Server, SaysCloseWhenTheAnswerOvertakesItsRequest) {
  feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123");
  ASSERT_TRUE(connection.write_head(answer(413), EndOfMessage::kYes));
  EXPECT_NE(drained().find("connection: close"), std::string::npos);
  EXPECT_TRUE(connection.is_closing());
}

TEST_F(Server, SpeaksToHttp10WithoutChunks) {
  feed("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  ASSERT_TRUE(connection.write_head(answer(200), EndOfMessage::kNo));
  write_body("x");
  ASSERT_TRUE(connection.write_end());
  EXPECT_EQ(drained(), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nx");
  EXPECT_TRUE(connection.is_closing());
}

TEST_F(Server, KeepsAnHttp10ConnectionThatAskedWhenTheLengthIsKnown) {
  feed("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  ASSERT_TRUE(connection.write_head(answer(200), EndOfMessage::kYes));
  EXPECT_EQ(drained(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n");
  EXPECT_TRUE(connection.is_idle());
}

TEST_F(Server, SendsContinueOnceAndOnlyToAClientThatWaits) {
  feed("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_TRUE(connection.waits_for_continue());
  ASSERT_TRUE(connection.write_continue());
  ASSERT_TRUE(connection.write_continue());
  EXPECT_EQ(drained(), "HTTP/1.1 100 Continue\r\n\r\n");
  feed("ab");
  ASSERT_TRUE(connection.write_head(answer(200), EndOfMessage::kYes));
  EXPECT_TRUE(connection.is_idle());
}

TEST_F(Server, EndsTheConnectionWhenItRefusesAClientThatWaits) {
  feed("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  ASSERT_TRUE(connection.write_head(answer(413), EndOfMessage::kYes));
  EXPECT_TRUE(connection.is_closing()) << "nobody could tell the body from the next request";
  EXPECT_NE(drained().find("connection: close"), std::string::npos);
}

TEST_F(Server, ReadsNothingBehindConnectBeforeTheTunnelStands) {
  const std::string head = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
  EXPECT_EQ(feed(head + "early"), head.size());
  EXPECT_EQ(feed("early"), 0u);
  ASSERT_TRUE(connection.write_head(answer(200), EndOfMessage::kNo));
  EXPECT_TRUE(connection.is_tunnel());
  EXPECT_EQ(feed("early"), 5u);
  EXPECT_EQ(recorder.messages[0].body, "early");
  EXPECT_EQ(drained(), "HTTP/1.1 200 OK\r\n\r\n");
}

TEST_F(Server, ClosesARefusedConnectSoThatEarlyBytesAreNeverARequest) {
  const std::string head = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
  const std::string smuggled = "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n";
  feed(head + smuggled);
  ASSERT_TRUE(connection.write_head(answer(403), EndOfMessage::kYes));
  EXPECT_TRUE(connection.is_closing());
  feed(smuggled);
  EXPECT_EQ(recorder.messages.size(), 1u);
}

TEST_F(Server, SwitchesProtocolsOnlyWhenAsked) {
  feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto refused = connection.write_head(answer(101), EndOfMessage::kNo);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::http_unexpected_upgrade);
}

TEST_F(Server, RefusesBadFramingWithAShortAnswerAndTheEnd) {
  const auto taken = connection.feed(bytes_of("GET / HTTP/1.1\nHost: a\r\n\r\n"), recorder);
  ASSERT_FALSE(taken);
  ASSERT_TRUE(connection.write_refusal(taken.error().reason));
  EXPECT_EQ(drained(),
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  EXPECT_TRUE(connection.is_closing());
}

TEST_F(Server, ToleratesAnEndBetweenRequestsOnly) {
  ASSERT_TRUE(connection.finish(recorder));
  EXPECT_TRUE(connection.is_closing());
  ServerConnection half(pool);
  ASSERT_TRUE(half.feed(bytes_of("GET /"), recorder));
  const auto end = half.finish(recorder);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().reason, Reason::http_truncated);
}

class Client : public testing::Test {
 protected:
  std::string drained() {
    BufferChain out(pool);
    connection.drain(out);
    return out.to_string();
  }
  Result<size_t> feed(std::string_view text) { return connection.feed(bytes_of(text), recorder); }

  BlockPool pool;
  Recorder recorder;
  ClientConnection connection{pool};
};

TEST_F(Client, IsReusableAfterACompleteExchange) {
  for (int i = 0; i < 3; i++) {
    ASSERT_TRUE(connection.is_reusable());
    ASSERT_TRUE(connection.write_head(request("GET"), EndOfMessage::kYes));
    EXPECT_EQ(drained(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    EXPECT_FALSE(connection.is_reusable());
    ASSERT_TRUE(feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  }
  EXPECT_EQ(recorder.messages.size(), 3u);
}

TEST_F(Client, RefusesBytesThatAnswerNothing) {
  const auto unasked = feed("HTTP/1.1 200 OK\r\n\r\n");
  ASSERT_FALSE(unasked);
  EXPECT_EQ(unasked.error().reason, Reason::http_unexpected_response);
  ASSERT_TRUE(connection.write_head(request("HEAD"), EndOfMessage::kYes));
  const auto body_to_head = feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  ASSERT_FALSE(body_to_head) << "a body behind a HEAD answer poisons the next exchange";
  EXPECT_EQ(body_to_head.error().reason, Reason::http_unexpected_response);
}

TEST_F(Client, IsNotReusedWhenTheAnswerOvertakesTheRequest) {
  ASSERT_TRUE(connection.write_head(request("POST"), EndOfMessage::kNo));
  ASSERT_TRUE(feed("HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_TRUE(connection.is_closing());
}

TEST_F(Client, IsNotReusedAfterCloseOrHttp10) {
  for (const char* text : {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                           "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"}) {
    ClientConnection fresh(pool);
    ASSERT_TRUE(fresh.write_head(request("GET"), EndOfMessage::kYes));
    ASSERT_TRUE(fresh.feed(bytes_of(text), recorder));
    EXPECT_TRUE(fresh.is_closing()) << text;
  }
}

TEST_F(Client, TellsATruncatedAnswerFromOneThatEndsWithTheConnection) {
  ASSERT_TRUE(connection.write_head(request("GET"), EndOfMessage::kYes));
  const auto nothing = connection.finish(recorder);
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().reason, Reason::http_truncated);
  ClientConnection other(pool);
  ASSERT_TRUE(other.write_head(request("GET"), EndOfMessage::kYes));
  ASSERT_TRUE(other.feed(bytes_of("HTTP/1.1 200 OK\r\n\r\npart"), recorder));
  EXPECT_TRUE(other.finish(recorder));
  EXPECT_EQ(recorder.messages.back().body, "part");
  EXPECT_TRUE(recorder.messages.back().ended);
}

TEST_F(Client, SendsTunnelBytesOnlyAfterTheAnswer) {
  MessageHead head = request("CONNECT", "");
  head.authority = "a:1";
  ASSERT_TRUE(connection.write_head(head, EndOfMessage::kNo));
  BufferChain bytes(pool);
  ASSERT_TRUE(bytes.append("opaque"));
  EXPECT_EQ(*connection.write_body(bytes), 0u);
  drained();
  ASSERT_TRUE(feed("HTTP/1.1 200 OK\r\n\r\nfrom the other side"));
  EXPECT_TRUE(connection.is_tunnel());
  EXPECT_EQ(*connection.write_body(bytes), 6u);
  EXPECT_EQ(drained(), "opaque");
  EXPECT_EQ(recorder.messages[0].body, "from the other side");
}

TEST_F(Client, TalksToTheServerSide) {
  ServerConnection server(pool);
  Recorder requests;
  MessageHead head = request("POST", "/echo?x");
  head.headers.add("X-Test", "1");
  ASSERT_TRUE(connection.write_head(head, EndOfMessage::kNo));
  BufferChain body(pool);
  ASSERT_TRUE(body.append(std::string(40000, 'b')));
  ASSERT_TRUE(connection.write_body(body));
  ASSERT_TRUE(connection.write_end());
  ASSERT_TRUE(server.feed(bytes_of(drained()), requests));
  ASSERT_TRUE(requests.messages[0].ended);
  EXPECT_EQ(requests.messages[0].body.size(), 40000u);
  EXPECT_EQ(*requests.messages[0].head.headers.first("x-test"), "1");
  ASSERT_TRUE(server.write_head(answer(200), EndOfMessage::kYes));
  BufferChain out(pool);
  server.drain(out);
  ASSERT_TRUE(feed(out.to_string()));
  EXPECT_TRUE(connection.is_reusable());
  EXPECT_TRUE(server.is_idle());
}

}  // namespace
}  // namespace keelson::http::h1
