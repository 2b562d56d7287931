#include <gtest/gtest.h>

#include "document/parse.h"

namespace keelson::document {
namespace {

TEST(Json, ReadsEveryTypeWithLines) {
  const auto value = parse_json(
      "{\n \"a\": [1, -2.5, true, null, \"q\\\"\\u00e9\"],\n \"b\": {\n \"c\": \"yes\"}}\n", "t");
  ASSERT_TRUE(value) << value.error().message();
  EXPECT_EQ(value->to_json(),
            "{\"a\": [1, -2.5, true, null, \"q\\\"\u00e9\"], \"b\": {\"c\": \"yes\"}}");
  EXPECT_EQ(value->find("a")->items()[0].as_int64(), 1);
  EXPECT_EQ(value->find("a")->line(), 2u);
  EXPECT_EQ(value->find("b")->members()[0].key_line, 4u);
  EXPECT_EQ(value->node_count(), 9u);
}

TEST(Json, AgreesWithYamlOnTheSameText) {
  const std::string text = "{\"a\": [1, 2, {\"b\": null}], \"c\": {}, \"d\": [], \"e\": \"\"}";
  EXPECT_EQ(parse_json(text, "t")->to_json(), parse_yaml(text, "t")->at(0).to_json());
}

TEST(Json, RefusesWhatIsNotStrictJson) {
  for (const char* text :
       {"", "1", "\"a\"", "{", "[1,]", "{\"a\":1,}", "{a: 1}", "[01]", "[1] 2", "[nul]", "[tru]",
        "[nope]", "[\"\\x\"]", "[\"\xff\"]", "[1 2]", "{\"a\" 1}", "[1e]", "[--1]"})
    EXPECT_FALSE(parse_json(text, "t")) << text;
}

TEST(Json, ADuplicateKeyNamesBothLines) {
  const auto value = parse_json("{\"a\": 1,\n\"a\": 2}", "t.json");
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().reason, Reason::duplicate_key);
  EXPECT_EQ(value.error().context, "t.json:2: key 'a' is already set on line 1");
}

TEST(Json, LimitsHold) {
  const auto nested = [](size_t levels) {
    return parse_json(std::string(levels, '[') + std::string(levels, ']'), "t");
  };
  EXPECT_TRUE(nested(64));
  EXPECT_EQ(nested(65).error().reason, Reason::document_too_deep);
  EXPECT_FALSE(nested(1'000));
  EXPECT_FALSE(nested(100'000));
  EXPECT_EQ(parse_json(std::string(10u << 20, ' '), "t").error().reason,
            Reason::document_too_large);
  std::string many = "[0";
  for (size_t i = 0; i < kNodesMax; ++i) many += ",0";
  EXPECT_EQ(parse_json(many + "]", "t").error().reason, Reason::document_too_large);
}

}  // namespace
}  // namespace keelson::document
