// Every class of the HTTP/1 framing attack list is refused, with its reason, however the bytes are
// cut: whole, byte by byte, and at every single split point.
#include <gtest/gtest.h>

#include <ostream>

#include "recorder.h"

namespace keelson::http::h1 {
namespace {

using namespace std::string_literals;
using enum Parser::Role;

struct Attack {
  const char* name;
  Parser::Role role;
  std::string input;
  Reason reason;
  ResponseContext context = {};
};

void PrintTo(const Attack& attack, std::ostream* out) {
  *out << attack.name;
}

std::string post(const std::string& headers, const std::string& body = "") {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n" + body;
}
std::string chunked(const std::string& body) {
  return post("Transfer-Encoding: chunked\r\n", body);
}
std::string get(const std::string& target, const std::string& rest = "Host: a\r\n") {
  return "GET " + target + " HTTP/1.1\r\n" + rest + "\r\n";
}
std::string answer(const std::string& status, const std::string& rest) {
  return "HTTP/1.1 " + status + "\r\n" + rest;
}
Attack length_attack(const char* name, const std::string& value) {
  return {name, kRequests, post("Content-Length:" + value + "\r\n", "12345"),
          Reason::http_bad_framing};
}
Attack encoding_attack(const char* name, const std::string& value,
                       Reason reason = Reason::http_transfer_encoding) {
  return {name, kRequests, post("Transfer-Encoding:" + value + "\r\n", "0\r\n\r\n"), reason};
}

class ParserRefuses : public testing::TestWithParam<Attack> {};

TEST_P(ParserRefuses, TheMessageHoweverItIsCut) {
  const Attack& attack = GetParam();
  const Outcome whole = parse_whole(attack.role, attack.input, attack.context);
  EXPECT_EQ(reason_name(whole.reason), reason_name(attack.reason));
  const Outcome bytewise = parse_byte_by_byte(attack.role, attack.input, attack.context);
  EXPECT_EQ(reason_name(bytewise.reason), reason_name(attack.reason)) << "byte by byte";
  for (size_t cut = 1; cut < attack.input.size(); cut++) {
    const Outcome split = parse_in_pieces(attack.role, attack.input, {cut}, attack.context);
    ASSERT_EQ(reason_name(split.reason), reason_name(attack.reason)) << "cut at " << cut;
    // What was delivered before the refusal does not depend on the cut either.
    ASSERT_EQ(split.messages.size(), whole.messages.size()) << "cut at " << cut;
  }
}

std::string name_of(const testing::TestParamInfo<Attack>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(
    ContentLength, ParserRefuses,
    testing::Values(
        Attack{"WithTransferEncoding", kRequests,
               post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
               Reason::http_bad_framing},
        Attack{"BehindTransferEncoding", kRequests,
               post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
               Reason::http_bad_framing},
        Attack{"TwiceTheSame", kRequests,
               post("Content-Length: 5\r\nContent-Length: 5\r\n", "12345"),
               Reason::http_bad_framing},
        Attack{"TwiceDifferent", kRequests,
               post("Content-Length: 5\r\ncontent-length: 0\r\n", "12345"),
               Reason::http_bad_framing},
        length_attack("Comma", " 5, 5"), length_attack("Plus", " +5"),
        length_attack("Minus", " -5"), length_attack("Hexadecimal", " 0x5"),
        length_attack("Underscore", " 1_0"), length_attack("LeadingZero", " 05"),
        length_attack("InnerSpace", " 1 0"), length_attack("Empty", ""),
        length_attack("OnlySpaces", "   "), length_attack("Fraction", " 5.0"),
        length_attack("Exponent", " 1e1"), length_attack("Overflow", " 18446744073709551621"),
        length_attack("NonAsciiDigit", " \xd9\xa5"), length_attack("NoBreakSpace", " 5\xa0"),
        Attack{"UnderscoreName", kRequests, post("Content_Length: 5\r\n", "12345"),
               Reason::http_bad_header},
        Attack{"OnConnect", kRequests,
               "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 3\r\n\r\nabc",
               Reason::http_bad_framing},
        Attack{"OnTrace", kRequests, "TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
               Reason::http_bad_framing}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    TransferEncoding, ParserRefuses,
    testing::Values(
        encoding_attack("CommaFirst", " ,chunked"), encoding_attack("CommaLast", " chunked,"),
        encoding_attack("VerticalTab",
                        "\x0b"
                        "chunked",
                        Reason::http_bad_header),
        encoding_attack("FormFeed",
                        "\x0c"
                        "chunked",
                        Reason::http_bad_header),
        encoding_attack("Nul", " chunked\0"s, Reason::http_bad_header),
        encoding_attack("NoBreakSpace",
                        " \xa0"
                        "chunked"),
        encoding_attack("NextLine", " chunked\x85"), encoding_attack("Quoted", " \"chunked\""),
        encoding_attack("NotLast", " chunked, identity"), encoding_attack("Gzip", " gzip, chunked"),
        encoding_attack("Identity", " identity"), encoding_attack("Parameter", " chunked;q=1"),
        encoding_attack("Misspelt", " xchunked"), encoding_attack("Empty", ""),
        Attack{"Twice", kRequests,
               post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
               Reason::http_transfer_encoding},
        Attack{"TwiceSecondUnknown", kRequests,
               post("Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n", "0\r\n\r\n"),
               Reason::http_transfer_encoding},
        Attack{"UnderscoreName", kRequests, post("Transfer_Encoding: chunked\r\n", "0\r\n\r\n"),
               Reason::http_bad_header},
        Attack{"InHttp10", kRequests,
               "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
               Reason::http_bad_framing},
        Attack{"InHttp10Answer", kResponses,
               "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
               Reason::http_bad_framing},
        Attack{"SpaceBeforeColon", kRequests, post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
               Reason::http_bad_header},
        Attack{"NamedByConnection", kRequests,
               post("Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
               Reason::http_bad_header},
        Attack{"HostNamedByConnection", kRequests, post("Connection: close, Host\r\n"),
               Reason::http_bad_header}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Lines, ParserRefuses,
    testing::Values(
        Attack{"BareLfInHead", kRequests, "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
               Reason::http_bad_line_ending},
        Attack{"BareLfAfterStartLine", kRequests, "GET / HTTP/1.1\nHost: a\r\n\r\n",
               Reason::http_bad_line_ending},
        Attack{"BareLfAtHeadEnd", kRequests, "GET / HTTP/1.1\r\nHost: a\r\n\n",
               Reason::http_bad_line_ending},
        Attack{"BareCrInValue", kRequests, get("/", "Host: a\r\nX: b\rc\r\n"),
               Reason::http_bad_line_ending},
        Attack{"CrCrLf", kRequests, get("/", "Host: a\r\r\n"), Reason::http_bad_line_ending},
        Attack{"CrInTarget", kRequests, get("/a\rb"), Reason::http_bad_line_ending},
        Attack{"Folded", kRequests, get("/", "Host: a\r\nX: b\r\n c\r\n"), Reason::http_bad_header},
        Attack{"FoldedByTab", kRequests, get("/", "Host: a\r\nX: b\r\n\tc\r\n"),
               Reason::http_bad_header},
        Attack{"FoldedFirst", kRequests, get("/", " Host: a\r\n"), Reason::http_bad_header},
        Attack{"SpaceBeforeColon", kRequests, get("/", "Host: a\r\nX : b\r\n"),
               Reason::http_bad_header},
        Attack{"NoColon", kRequests, get("/", "Host: a\r\nX\r\n"), Reason::http_bad_header},
        Attack{"EmptyName", kRequests, get("/", "Host: a\r\n: b\r\n"), Reason::http_bad_header},
        Attack{"NulInName", kRequests, get("/", "Host: a\r\nX\0: b\r\n"s), Reason::http_bad_header},
        Attack{"NulInValue", kRequests, get("/", "Host: a\r\nX: b\0c\r\n"s),
               Reason::http_bad_header},
        Attack{"DelInValue", kRequests, get("/", "Host: a\r\nX: 12345678\x7f\r\n"),
               Reason::http_bad_header},
        Attack{"NonAsciiName", kRequests, get("/", "Host: a\r\nX\xc3\xa9: b\r\n"),
               Reason::http_bad_header},
        Attack{"SeparatorInName", kRequests, get("/", "Host: a\r\nX(y): b\r\n"),
               Reason::http_bad_header},
        Attack{"TwoEmptyLinesFirst", kRequests, "\r\n\r\n" + get("/"), Reason::http_bad_start_line},
        Attack{"BadConnectionToken", kRequests, post("Connection: a b\r\n"),
               Reason::http_bad_header}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Chunks, ParserRefuses,
    testing::Values(
        Attack{"NoDigits", kRequests, chunked("\r\n"), Reason::http_bad_chunk},
        Attack{"LongestPrefix", kRequests, chunked("5x\r\n12345\r\n0\r\n\r\n"),
               Reason::http_bad_chunk},
        Attack{"Plus", kRequests, chunked("+5\r\n12345\r\n"), Reason::http_bad_chunk},
        Attack{"Minus", kRequests, chunked("-5\r\n12345\r\n"), Reason::http_bad_chunk},
        Attack{"HexPrefix", kRequests, chunked("0x5\r\n12345\r\n"), Reason::http_bad_chunk},
        Attack{"Underscore", kRequests, chunked("1_0\r\n12345\r\n"), Reason::http_bad_chunk},
        Attack{"SpaceFirst", kRequests, chunked(" 5\r\n12345\r\n"), Reason::http_bad_chunk},
        Attack{"SpaceLast", kRequests, chunked("5 \r\n12345\r\n"), Reason::http_bad_chunk},
        Attack{"Overflow", kRequests, chunked("10000000000000005\r\n12345\r\n"),
               Reason::http_bad_chunk},
        Attack{"ManyZeros", kRequests, chunked("0000000000000005\r\n12345\r\n"),
               Reason::http_bad_chunk},
        Attack{"DataTooLong", kRequests, chunked("5\r\n123456\r\n0\r\n\r\n"),
               Reason::http_bad_chunk},
        Attack{"DataEndedByLf", kRequests, chunked("5\r\n12345\n0\r\n\r\n"),
               Reason::http_bad_line_ending},
        Attack{"LineEndedByLf", kRequests, chunked("5\n12345\r\n0\r\n\r\n"),
               Reason::http_bad_line_ending},
        Attack{"ExtensionWithLf", kRequests, chunked("5;a\nb\r\n12345\r\n"),
               Reason::http_bad_line_ending},
        Attack{"ExtensionWithCr", kRequests, chunked("5;a\rb\r\n12345\r\n"),
               Reason::http_bad_line_ending},
        Attack{"ExtensionWithControl", kRequests, chunked("5;a=\x01\r\n12345\r\n"),
               Reason::http_bad_chunk},
        Attack{"ExtensionUnquotedSpace", kRequests, chunked("5;a=b c\r\n12345\r\n"),
               Reason::http_bad_chunk},
        Attack{"ExtensionQuoteOpen", kRequests, chunked("5;a=\"b\r\n12345\r\n"),
               Reason::http_bad_chunk},
        Attack{"LineTooLong", kRequests, chunked("5;a=" + std::string(300, 'b') + "\r\n12345\r\n"),
               Reason::http_bad_chunk},
        Attack{"InAnswer", kResponses,
               answer("200 OK", "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n"),
               Reason::http_bad_chunk}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Trailers, ParserRefuses,
    testing::Values(
        Attack{"ContentLength", kRequests, chunked("0\r\nContent-Length: 3\r\n\r\n"),
               Reason::http_bad_trailer},
        Attack{"TransferEncoding", kRequests, chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n"),
               Reason::http_bad_trailer},
        Attack{"Host", kRequests, chunked("0\r\nHost: b\r\n\r\n"), Reason::http_bad_trailer},
        Attack{"Authorization", kRequests, chunked("0\r\nAuthorization: b\r\n\r\n"),
               Reason::http_bad_trailer},
        Attack{"Folded", kRequests, chunked("0\r\nX: a\r\n b\r\n\r\n"), Reason::http_bad_trailer},
        Attack{"BareLf", kRequests, chunked("0\r\nX: a\n\r\n"), Reason::http_bad_line_ending},
        Attack{"EndedByBareLf", kRequests, chunked("0\r\n\n"), Reason::http_bad_line_ending}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Target, ParserRefuses,
    testing::Values(
        Attack{"NoHost", kRequests, get("/", "X: a\r\n"), Reason::http_bad_host},
        Attack{"TwoHosts", kRequests, get("/", "Host: a\r\nHost: a\r\n"), Reason::http_bad_host},
        Attack{"TwoHostsInHttp10", kRequests, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
               Reason::http_bad_host},
        Attack{"HostList", kRequests, get("/", "Host: a, b\r\n"), Reason::http_bad_host},
        Attack{"HostWithUserInfo", kRequests, get("/", "Host: a@b\r\n"), Reason::http_bad_host},
        Attack{"HostWithPath", kRequests, get("/", "Host: a/b\r\n"), Reason::http_bad_host},
        Attack{"HostWithBadPort", kRequests, get("/", "Host: a:65536\r\n"), Reason::http_bad_host},
        Attack{"HostWithEmptyPort", kRequests, get("/", "Host: a:\r\n"), Reason::http_bad_host},
        Attack{"HostAgainstAbsoluteForm", kRequests, get("http://b/"), Reason::http_bad_host},
        Attack{"HostAgainstConnect", kRequests, "CONNECT a:1 HTTP/1.1\r\nHost: b:1\r\n\r\n",
               Reason::http_bad_host},
        Attack{"Fragment", kRequests, get("/a#b"), Reason::http_bad_target},
        Attack{"Backslash", kRequests, get("/a\\b"), Reason::http_bad_target},
        Attack{"NonAscii", kRequests, get("/\xc3\xa9"), Reason::http_bad_target},
        Attack{"Nul", kRequests, get("/\0"s), Reason::http_bad_target},
        Attack{"Tab", kRequests, get("/\ta"), Reason::http_bad_target},
        Attack{"Space", kRequests, get("/a b"), Reason::http_bad_target},
        Attack{"Relative", kRequests, get("a"), Reason::http_bad_target},
        Attack{"QueryOnly", kRequests, get("?a"), Reason::http_bad_target},
        Attack{"AsteriskForGet", kRequests, get("*"), Reason::http_bad_target},
        Attack{"AuthorityForGet", kRequests, get("a:80"), Reason::http_bad_target},
        Attack{"OtherScheme", kRequests, get("ftp://a/"), Reason::http_bad_target},
        Attack{"AbsoluteWithoutHost", kRequests, get("http:///x"), Reason::http_bad_target},
        Attack{"AbsoluteWithUserInfo", kRequests, get("http://u@a/"), Reason::http_bad_target},
        Attack{"ConnectWithoutPort", kRequests, "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
               Reason::http_bad_target},
        Attack{"ConnectToPath", kRequests, "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n",
               Reason::http_bad_target},
        Attack{"TooLong", kRequests, get("/" + std::string(9000, 'a')),
               Reason::http_target_too_long}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    StartLine, ParserRefuses,
    testing::Values(
        Attack{"TwoSpaces", kRequests, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
               Reason::http_bad_target},
        Attack{"TrailingSpace", kRequests, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
               Reason::http_bad_start_line},
        Attack{"LeadingSpace", kRequests, " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
               Reason::http_bad_start_line},
        Attack{"TabInsteadOfSpace", kRequests, "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n",
               Reason::http_bad_start_line},
        Attack{"MethodIsNoToken", kRequests, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
               Reason::http_bad_start_line},
        Attack{"MethodTooLong", kRequests, std::string(33, 'A') + " / HTTP/1.1\r\n\r\n",
               Reason::http_bad_start_line},
        Attack{"Http09", kRequests, "GET /\r\n", Reason::http_bad_start_line},
        Attack{"Http2Preface", kRequests, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
               Reason::http_version_unsupported},
        Attack{"Http12", kRequests, "GET / HTTP/1.2\r\n\r\n", Reason::http_version_unsupported},
        Attack{"LowerCaseVersion", kRequests, "GET / http/1.1\r\n\r\n",
               Reason::http_bad_start_line},
        Attack{"LongVersion", kRequests, "GET / HTTP/1.10\r\n\r\n", Reason::http_bad_start_line},
        Attack{"OtherExpectation", kRequests, post("Expect: 200-ok\r\nContent-Length: 1\r\n", "a"),
               Reason::http_expectation},
        Attack{"TwoExpectations", kRequests,
               post("Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 1\r\n", "a"),
               Reason::http_expectation}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Answers, ParserRefuses,
    testing::Values(
        Attack{"LengthAndEncoding", kResponses,
               answer("200 OK", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
               Reason::http_bad_framing},
        Attack{"ConflictingLengths", kResponses,
               answer("200 OK", "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
               Reason::http_bad_framing},
        Attack{"NoContentWithBody", kResponses,
               answer("204 No Content", "Content-Length: 1\r\n\r\na"), Reason::http_bad_framing},
        Attack{"NoContentChunked", kResponses,
               answer("204 No Content", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
               Reason::http_bad_framing},
        Attack{"InterimWithBody", kResponses, answer("100 Continue", "Content-Length: 1\r\n\r\na"),
               Reason::http_bad_framing},
        Attack{"UnaskedUpgrade", kResponses,
               answer("101 Switching Protocols", "Connection: upgrade\r\nUpgrade: x\r\n\r\n"),
               Reason::http_unexpected_upgrade},
        Attack{"ConnectedWithLength",
               kResponses,
               answer("200 OK", "Content-Length: 1\r\n\r\na"),
               Reason::http_bad_framing,
               {.to_connect = true}},
        Attack{"StatusTooSmall", kResponses, answer("099 X", "\r\n"), Reason::http_bad_start_line},
        Attack{"StatusTooLarge", kResponses, answer("600 X", "\r\n"), Reason::http_bad_start_line},
        Attack{"StatusFourDigits", kResponses, answer("2000 X", "\r\n"),
               Reason::http_bad_start_line},
        Attack{"StatusSigned", kResponses, answer("+20 X", "\r\n"), Reason::http_bad_start_line},
        Attack{"TwoSpacesBeforeStatus", kResponses, answer(" 200 X", "\r\n"),
               Reason::http_bad_start_line},
        Attack{"EmptyLineFirst", kResponses, "\r\nHTTP/1.1 200 OK\r\n\r\n",
               Reason::http_bad_start_line},
        Attack{"ControlInPhrase", kResponses, answer("200 O\x01K", "\r\n"),
               Reason::http_bad_start_line},
        Attack{"InterimStorm", kResponses,
               [] {
                 std::string storm;
                 for (int i = 0; i <= kHttpInformationalMax; i++)
                   storm += "HTTP/1.1 103 Early Hints\r\n\r\n";
                 return storm;
               }(),
               Reason::http_informational_storm}),
    name_of);

TEST(ParserLimits, RefuseTooManyHeadersAndTooLargeHeads) {
  Limits limits;
  limits.headers = 3;
  limits.head_bytes = 200;
  const auto reason_of = [&](const std::string& headers) {
    return parse_whole(kRequests, get("/", "Host: a\r\n" + headers), {}, limits).reason;
  };
  EXPECT_EQ(reason_of("A: 1\r\nB: 2\r\n"), Reason::none);
  EXPECT_EQ(reason_of("A: 1\r\nB: 2\r\nC: 3\r\n"), Reason::http_too_many_headers);
  EXPECT_EQ(reason_of("A: " + std::string(180, 'x') + "\r\n"), Reason::http_head_too_large);
  // Without a line end too: the limit does not wait for one.
  EXPECT_EQ(parse_whole(kRequests, std::string(201, 'x'), {}, limits).reason,
            Reason::http_head_too_large);
}

TEST(ParserLimits, BoundTheExtensionsOfAllChunksTogether) {
  std::string body;
  for (int i = 0; i < 200; i++) body += "1;" + std::string(200, 'e') + "\r\nx\r\n";
  EXPECT_EQ(parse_whole(kRequests, chunked(body + "0\r\n\r\n")).reason, Reason::http_bad_chunk);
}

TEST(ParserLimits, KeepRefusingAfterARefusal) {
  Parser parser(kRequests);
  Recorder recorder;
  ASSERT_FALSE(parser.feed(bytes_of("GET / HTTP/3\r\n"), recorder));
  const auto again = parser.feed(bytes_of(get("/")), recorder);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().reason, Reason::http_bad_start_line);
  EXPECT_TRUE(recorder.messages.empty());
}

}  // namespace
}  // namespace keelson::http::h1
