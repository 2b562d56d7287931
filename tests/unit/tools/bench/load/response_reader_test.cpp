#include "load/response_reader.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>

namespace keelson::load {
namespace {

using Step = ResponseReader::Step;

struct Whole {
  const char* name;
  std::string bytes;
  uint16_t status;
  bool keeps_alive;
  std::string rest;
};

std::ostream& operator<<(std::ostream& out, const Whole& test) {
  return out << test.name;
}

const Whole kWhole[] = {
    {"length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, true, ""},
    {"no phrase", "HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", 200, true, ""},
    {"empty body", "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 503, true, ""},
    {"no body by status", "HTTP/1.1 204 None\r\n\r\n", 204, true, ""},
    {"304 with a length", "HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n", 304, true, ""},
    {"bytes behind it", "HTTP/1.1 204 None\r\n\r\nHTTP/1.1 ", 204, true, "HTTP/1.1 "},
    {"says close", "HTTP/1.1 204 None\r\nConnection: x, Close\r\n\r\n", 204, false, ""},
    {"old version", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", 200, false, ""},
    {"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200,
     true, ""},
    {"chunk extension and trailer",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA;x=y\r\n0123456789\r\n00\r\na: "
     "b\r\n\r\n!",
     200, true, "!"},
    {"body that looks like a head", "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n\r\n\r\n\r\n\r\n",
     200, true, ""},
    {"informational answers first",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 None\r\n\r\n",
     204, true, ""},
    {"same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 200,
     true, ""},
};

class WholeAnswer : public testing::TestWithParam<Whole> {};

TEST_P(WholeAnswer, EndsWhereItEndsInOnePiece) {
  ResponseReader reader;
  ASSERT_EQ(reader.feed(GetParam().bytes), Step::kComplete);
  EXPECT_EQ(reader.status(), GetParam().status);
  EXPECT_EQ(reader.keeps_alive(), GetParam().keeps_alive);
  EXPECT_EQ(reader.rest(), GetParam().rest);
}

TEST_P(WholeAnswer, EndsWhereItEndsCutAnywhereInTwo) {
  const std::string& bytes = GetParam().bytes;
  const size_t length = bytes.size() - GetParam().rest.size();
  for (size_t cut = 1; cut < length; cut++) {
    ResponseReader reader;
    ASSERT_EQ(reader.feed(bytes.substr(0, cut)), Step::kMore) << cut;
    const std::string second = bytes.substr(cut);
    ASSERT_EQ(reader.feed(second), Step::kComplete) << cut;
    EXPECT_EQ(reader.status(), GetParam().status);
    EXPECT_EQ(reader.rest(), GetParam().rest);
  }
}

TEST_P(WholeAnswer, EndsWhereItEndsByteByByteAndAnotherMayFollow) {
  const std::string& bytes = GetParam().bytes;
  const size_t length = bytes.size() - GetParam().rest.size();
  ResponseReader reader;
  for (int round = 0; round < 2; round++) {
    for (size_t i = 0; i + 1 < length; i++)
      ASSERT_EQ(reader.feed(std::string_view(bytes).substr(i, 1)), Step::kMore) << i;
    ASSERT_EQ(reader.feed(std::string_view(bytes).substr(length - 1, 1)), Step::kComplete);
    EXPECT_EQ(reader.status(), GetParam().status);
    EXPECT_TRUE(reader.has_begun());
    reader.next();
    EXPECT_FALSE(reader.has_begun());
  }
}

INSTANTIATE_TEST_SUITE_P(Table, WholeAnswer, testing::ValuesIn(kWhole));

class BadAnswer : public testing::TestWithParam<const char*> {};

TEST_P(BadAnswer, IsRefused) {
  ResponseReader reader;
  EXPECT_EQ(reader.feed(GetParam()), Step::kBad);
  EXPECT_EQ(reader.finish(), Step::kBad);
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadAnswer,
    testing::Values("SSH-2.0-x\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
                    "HTTP/1.1 099 No\r\n\r\n", "HTTP/1.1 2000 No\r\n\r\n",
                    "HTTP/1.1 101 Upgrade\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxy\r\n",
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\n"));

TEST(ResponseReader, CompletesAnAnswerThatLastsUntilTheEndOfTheStream) {
  ResponseReader reader;
  EXPECT_EQ(reader.feed("HTTP/1.1 200 OK\r\n\r\nany"), Step::kMore);
  EXPECT_EQ(reader.feed("thing"), Step::kMore);
  EXPECT_EQ(reader.finish(), Step::kComplete);
  EXPECT_FALSE(reader.keeps_alive());
}

TEST(ResponseReader, TakesTheEndOfTheStreamInsideAnAnswerForAFault) {
  ResponseReader reader;
  EXPECT_EQ(reader.feed("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"), Step::kMore);
  EXPECT_EQ(reader.finish(), Step::kBad);
}

TEST(ResponseReader, RefusesAHeadWithoutEnd) {
  ResponseReader reader;
  const std::string line = "HTTP/1.1 200 OK\r\n" + std::string(1000, 'a');
  Step step = Step::kMore;
  for (int i = 0; i < 100 && step == Step::kMore; i++) step = reader.feed(line);
  EXPECT_EQ(step, Step::kBad);
}

}  // namespace
}  // namespace keelson::load
