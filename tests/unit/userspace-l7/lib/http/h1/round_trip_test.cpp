// What is accepted comes out in normal form, and what is written parses to the same message again.
#include <gtest/gtest.h>

#include "http/h1/characters.h"
#include "http/h1/fields.h"
#include "http/h1/writer.h"
#include "recorder.h"

namespace keelson::http::h1 {
namespace {

using enum Parser::Role;

struct Golden {
  const char* name;
  Parser::Role role;
  std::string input;
  std::string output;  // re-serialised
  ResponseContext context = {};
  bool keeps_alive = true;
};

void PrintTo(const Golden& golden, std::ostream* out) {
  *out << golden.name;
}

std::string write(BlockPool& pool, const RecordedMessage& message) {
  BufferChain out(pool);
  EXPECT_TRUE(write_head(out, message.head, message.body_kind));
  BodyWriter writer;
  writer.begin(message.body_kind, message.head.content_length.value_or(0));
  BufferChain body(pool);
  EXPECT_TRUE(body.append(message.body));
  EXPECT_TRUE(writer.write(out, body, BufferChain::kAll));
  EXPECT_TRUE(writer.end(out, &message.trailers));
  return out.to_string();
}

class RoundTrip : public testing::TestWithParam<Golden> {};

TEST_P(RoundTrip, WritesTheNormalFormAndReadsItBack) {
  const Golden& golden = GetParam();
  const Outcome whole = parse_whole(golden.role, golden.input, golden.context);
  ASSERT_EQ(reason_name(whole.reason), "none");
  ASSERT_FALSE(whole.messages.empty());
  EXPECT_EQ(whole.keeps_alive, golden.keeps_alive);
  BlockPool pool;
  std::string written;
  for (const RecordedMessage& message : whole.messages) written += write(pool, message);
  EXPECT_EQ(written, golden.output);
  const Outcome again = parse_whole(golden.role, written, golden.context);
  ASSERT_EQ(reason_name(again.reason), "none");
  ASSERT_EQ(again.messages.size(), whole.messages.size());
  for (size_t i = 0; i < again.messages.size(); i++) {
    RecordedMessage expected = whole.messages[i];
    expected.head.scheme.clear();              // the origin form does not carry it
    expected.head.version = Version::kHttp11;  // we always speak 1.1
    EXPECT_EQ(again.messages[i], expected);
  }
  for (size_t cut = 1; cut < golden.input.size(); cut++)
    ASSERT_EQ(parse_in_pieces(golden.role, golden.input, {cut}, golden.context), whole) << cut;
  EXPECT_EQ(parse_byte_by_byte(golden.role, golden.input, golden.context), whole);
}

std::string name_of(const testing::TestParamInfo<Golden>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(
    Requests, RoundTrip,
    testing::Values(
        Golden{"Simple", kRequests,
               "GET /a?b=c HTTP/1.1\r\nHOST: A.Example:80\r\nX-A:  b \t\r\n\r\n",
               "GET /a?b=c HTTP/1.1\r\nhost: a.example:80\r\nx-a: b\r\n\r\n"},
        Golden{"EmptyLineFirst", kRequests, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
               "GET / HTTP/1.1\r\nhost: a\r\n\r\n"},
        Golden{"Length", kRequests, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
               "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc"},
        Golden{"LengthZero", kRequests, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
               "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"},
        Golden{"Chunked", kRequests,
               "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n"
               "3;x=\"a b\"\r\nabc\r\n02\r\nde\r\n0\r\nDigest: x\r\nDate: y\r\n\r\n",
               "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
               "5\r\nabcde\r\n0\r\ndigest: x\r\n\r\n"},
        Golden{"HopByHop", kRequests,
               "GET / HTTP/1.1\r\nHost: a\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
               "Connection: x-hop,, keep-alive\r\nProxy-Connection: x\r\nX-End: 2\r\n\r\n",
               "GET / HTTP/1.1\r\nhost: a\r\nx-end: 2\r\n\r\n"},
        Golden{"Absolute", kRequests, "GET HTTP://a:1?q HTTP/1.1\r\nHost: A:1\r\n\r\n",
               "GET /?q HTTP/1.1\r\nhost: a:1\r\n\r\n"},
        Golden{"AbsoluteOptions", kRequests, "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n",
               "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n"},
        Golden{"Upgrade", kRequests,
               "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
               "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"},
        Golden{
            "UpgradeToH2cIsDropped", kRequests,
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\n\r\n"},
        Golden{"Expect", kRequests,
               "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
               "PUT / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\nx"},
        Golden{"Connect",
               kRequests,
               "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
               "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n",
               {},
               false},
        Golden{"Close",
               kRequests,
               "GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n",
               "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
               {},
               false},
        Golden{"Http10",
               kRequests,
               "GET / HTTP/1.0\r\n\r\n",
               "GET / HTTP/1.1\r\nhost: \r\n\r\n",
               {},
               false},
        Golden{"Http10KeepAlive", kRequests,
               "GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n",
               "GET / HTTP/1.1\r\nhost: a\r\n\r\n"}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Answers, RoundTrip,
    testing::Values(
        Golden{"Length", kResponses, "HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nok",
               "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"},
        Golden{"NoPhrase", kResponses, "HTTP/1.1 299\r\nContent-Length: 0\r\n\r\n",
               "HTTP/1.1 299 \r\ncontent-length: 0\r\n\r\n"},
        Golden{"Head",
               kResponses,
               "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
               "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n",
               {.to_head = true}},
        Golden{"NotModified", kResponses, "HTTP/1.1 304 X\r\nContent-Length: 99\r\n\r\n",
               "HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n"},
        Golden{"NoContentWithZero", kResponses, "HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n",
               "HTTP/1.1 204 No Content\r\n\r\n"},
        Golden{"Interim", kResponses,
               "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
               "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
               "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"},
        Golden{"UntilClose",
               kResponses,
               "HTTP/1.1 200 OK\r\n\r\nall of it",
               "HTTP/1.1 200 OK\r\n\r\nall of it",
               {},
               false},
        Golden{"AdvertisedUpgradeIsDropped", kResponses,
               "HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: h2,h2c\r\nContent-Length: "
               "0\r\n\r\n",
               "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"},
        Golden{
            "Switching",
            kResponses,
            "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nopaque\n",
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
            "opaque\n",
            {.upgrade_requested = true},
            false}),
    name_of);

TEST(Parser, StopsBehindOneMessageAndTellsHowMuchItTook) {
  const std::string first = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
  const Outcome outcome = parse_whole(kRequests, first + "GET / HTTP/1.1\r\n");
  EXPECT_TRUE(outcome.complete);
  EXPECT_EQ(outcome.taken, first.size());
}

TEST(Parser, LeavesWhatFollowsAConnectUntilTheTunnelBegins) {
  const std::string head = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
  Parser parser(kRequests);
  Recorder recorder;
  const auto taken = parser.feed(bytes_of(head + "early"), recorder);
  ASSERT_TRUE(taken);
  EXPECT_EQ(*taken, head.size());
  parser.begin_tunnel();
  ASSERT_TRUE(parser.feed(bytes_of("early"), recorder));
  EXPECT_EQ(recorder.messages[0].body, "early");
}

TEST(Parser, CallsAnEndInsideAMessageTruncated) {
  for (const std::string part :
       {"HTTP/1.1 200", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"}) {
    Parser parser(kResponses);
    Recorder recorder;
    ASSERT_TRUE(parser.feed(bytes_of(part), recorder));
    const auto end = parser.finish(recorder);
    ASSERT_FALSE(end) << part;
    EXPECT_EQ(end.error().reason, Reason::http_truncated);
  }
}

TEST(Writer, RefusesWhatWouldSmuggleALine) {
  BlockPool pool;
  BufferChain out(pool);
  const auto refused = [&](auto&& change) {
    MessageHead head;
    head.method = "GET";
    head.authority = "a";
    head.target = "/";
    change(head);
    const auto result = write_head(out, head, BodyKind::kNone);
    return !result && result.error().reason == Reason::http_bad_message && out.empty();
  };
  EXPECT_TRUE(refused([](MessageHead& h) { h.headers.add("x", "a\r\nb: c"); }));
  EXPECT_TRUE(refused([](MessageHead& h) {
    h.headers.add_sound("x", "a");  // as from the parser; then a filter
    h.headers.add("y", "a\r\nb: c");
  }));
  EXPECT_TRUE(refused([](MessageHead& h) {
    h.headers.add_sound("x", "a");
    h.headers.set("x", "a\r\nb: c");
  }));
  EXPECT_TRUE(refused([](MessageHead& h) { h.headers.add("x y", "a"); }));
  EXPECT_TRUE(refused([](MessageHead& h) { h.headers.add("", "a"); }));
  EXPECT_TRUE(refused([](MessageHead& h) { h.target = "/ HTTP/1.1\r\nx: y"; }));
  EXPECT_TRUE(refused([](MessageHead& h) { h.method = "G T"; }));
  EXPECT_TRUE(refused([](MessageHead& h) { h.authority = "a\r\nx: y"; }));
  EXPECT_TRUE(refused([](MessageHead& h) { h.target = "a"; }));
  EXPECT_TRUE(refused([](MessageHead& h) { h.upgrade = "x\r\n"; }));
}

TEST(Writer, NeverWritesASecondFramingField) {
  BlockPool pool;
  BufferChain out(pool);
  MessageHead head;
  head.status = 200;
  head.content_length = 1;
  for (const char* name : {"Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Host"})
    head.headers.add(name, "9");
  ASSERT_TRUE(write_head(out, head, BodyKind::kLength));
  EXPECT_EQ(out.to_string(), "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n");
}

TEST(Writer, WritesHeadsLargerThanABlock) {
  BlockPool pool;
  BufferChain out(pool);
  MessageHead head;
  head.status = 200;
  head.content_length = 0;
  const std::string large(3 * kBlockBytes, 'v');
  head.headers.add("x", large);
  ASSERT_TRUE(write_head(out, head, BodyKind::kLength));
  EXPECT_EQ(out.to_string(), "HTTP/1.1 200 OK\r\nx: " + large + "\r\ncontent-length: 0\r\n\r\n");
}

TEST(HeaderList, IsSoundUntilSomebodyElseAdds) {
  HeaderList list;
  list.add_sound("a", "1");
  list.add_sound("b", "2");
  list.remove("a");
  EXPECT_TRUE(list.is_sound());
  const HeaderList copy = list;
  list.set("b", "3");
  EXPECT_FALSE(list.is_sound());
  EXPECT_TRUE(copy.is_sound());
  list.clear();
  EXPECT_TRUE(list.is_sound());
  list.add("c", "4");
  EXPECT_FALSE(list.is_sound());
}

// What the parser calls sound, the writer puts on the wire unseen.
TEST(Parser, CallsOnlyFieldsSoundThatTheWriterWouldTake) {
  const Outcome outcome = parse_whole(
      kRequests,
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\n"
      "X-Plain:  v \r\nX-Empty:\r\nX-Bytes: \xc3\xa9\t~\r\n\r\n");
  ASSERT_TRUE(outcome.complete);
  const HeaderList& fields = outcome.messages.at(0).head.headers;
  EXPECT_TRUE(fields.is_sound());
  EXPECT_EQ(fields.size(), 3u);
  for (const HeaderView field : fields) {
    EXPECT_TRUE(is_token(field.name));
    EXPECT_TRUE(is_field_value(field.value));
    EXPECT_EQ(classify(field.name), Field::kEndToEnd);
  }
}

TEST(HeaderList, KeepsOrderIgnoresCaseAndSurvivesItsOwnViews) {
  HeaderList list;
  list.add("Accept", "a");
  list.add("X-B", "b");
  list.add("ACCEPT", "c");
  for (int i = 0; i < 50; i++) list.add(list[0].name, list[1].value);
  EXPECT_EQ(list.count("accept"), 52u);
  EXPECT_EQ(list[51].value, "b");
  EXPECT_EQ(list.joined("Accept")->substr(0, 7), "a, c, b");
  list.set("accept", "z");
  EXPECT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0], (HeaderView{"accept", "z"})) << "at the place of the first";
  EXPECT_EQ(list.bytes(), 11u);
  EXPECT_EQ(list.remove(list[0].name), 1u);
  EXPECT_FALSE(list.contains("accept"));
}

}  // namespace
}  // namespace keelson::http::h1
