#include "load/options.h"

#include <gtest/gtest.h>

#include <sstream>

#include "load/request.h"

namespace keelson::load {
namespace {

using Words = std::vector<std::string>;

ParsedOptions parse(const Words& words, std::string* error = nullptr) {
  std::ostringstream out, err;
  ParsedOptions parsed = parse_options(words, out, err);
  if (error != nullptr) *error = err.str();
  return parsed;
}

Words with(const Words& more) {
  Words words{"--url", "http://cart:81/x", "--connections", "2"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(LoadOptions, AreReadWhole) {
  const auto parsed =
      parse(with({"--rate", "1.5", "--seconds", "2", "--warmup", "0.5", "--http2", "--streams", "7",
                  "--header", "A: b", "--header", "C:", "--json", "x"}));
  ASSERT_TRUE(parsed.options);
  EXPECT_EQ(parsed.options->loop, Loop::kOpen);
  EXPECT_EQ(parsed.options->rate, 1.5);
  EXPECT_EQ(parsed.options->streams, 7u);
  EXPECT_EQ(parsed.options->protocol, Protocol::kHttp2);
  EXPECT_EQ(parsed.options->headers, (Words{"A: b", "C:"}));
  EXPECT_EQ(parsed.options->server_name, "cart");
  EXPECT_EQ(parsed.options->json, "x");
}

TEST(LoadOptions, HelpIsNoError) {
  const auto parsed = parse({"--help"});
  EXPECT_FALSE(parsed.options);
  EXPECT_EQ(parsed.exit_code, 0);
}

class BadUsage : public testing::TestWithParam<Words> {};

TEST_P(BadUsage, IsRefusedWithExitCodeTwoAndAReason) {
  std::string error;
  const auto parsed = parse(GetParam(), &error);
  EXPECT_FALSE(parsed.options);
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_FALSE(error.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadUsage,
    testing::Values(Words{}, with({}), with({"--closed"}), with({"--seconds", "1"}),
                    with({"--closed", "--rate", "1", "--seconds", "1"}),
                    with({"--rate", "0", "--seconds", "1"}),
                    with({"--rate", "-1", "--seconds", "1"}), with({"--closed", "--seconds", "0"}),
                    with({"--closed", "--seconds", "1", "--streams", "2"}),
                    with({"--closed", "--seconds", "1", "--http1", "--http2"}),
                    with({"--closed", "--seconds", "1", "--header", "no colon"}),
                    with({"--closed", "--seconds", "1", "--header", "a: b\r\nc: d"}),
                    with({"--closed", "--seconds", "1", "--ca", "x"}),
                    with({"--closed", "--seconds", "1", "--cert", "x"}),
                    with({"--closed", "--seconds", "1", "--connect", "127.0.0.1"}),
                    with({"--closed", "--seconds", "1", "--nonsense"}),
                    with({"--idle-hold", "1", "--new-connection-each"}),
                    with({"--idle-hold", "1", "--warmup", "1"}),
                    with({"--idle-hold", "1", "--requests", "1"}),
                    Words{"--url", "cart", "--connections", "1", "--closed", "--seconds", "1"},
                    Words{"--url", "http://a/", "--connections", "0", "--closed", "--seconds",
                          "1"}));

TEST(LoadRequest, IsTheBytesOfHttp1AndTheFieldsOfHttp2) {
  const auto parsed = parse(with({"--closed", "--seconds", "1", "--header", "X-A:  b", "--header",
                                  "host: shop", "--body", "3", "--new-connection-each"}));
  ASSERT_TRUE(parsed.options);
  const Request request = Request::make(*parsed.options);
  EXPECT_EQ(request.http1,
            "POST /x HTTP/1.1\r\nHost: shop\r\nX-A: b\r\nContent-Length: 3\r\n"
            "Connection: close\r\n\r\nxxx");
  using Field = std::pair<std::string, std::string>;
  EXPECT_EQ(request.fields, (std::vector<Field>{{":method", "POST"},
                                                {":scheme", "http"},
                                                {":authority", "shop"},
                                                {":path", "/x"},
                                                {"x-a", "b"},
                                                {"content-length", "3"}}));
}

}  // namespace
}  // namespace keelson::load
