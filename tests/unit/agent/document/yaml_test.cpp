#include <gmock/gmock.h>

#include "document/parse.h"

namespace keelson::document {
namespace {

using testing::HasSubstr;

Value one(std::string_view text) {
  auto documents = parse_yaml(text, "t.yaml");
  EXPECT_TRUE(documents) << documents.error().message();
  EXPECT_EQ(documents->size(), 1u);
  return documents->front();
}

std::string repeated(std::string_view part, size_t times) {
  std::string text;
  for (size_t i = 0; i < times; ++i) text += part;
  return text;
}

TEST(Yaml, EveryNodeAndKeyKnowsItsLine) {
  const Value value = one("# head\nkind: Pod\nspec:\n  ports:\n  - 80\n  - 81\n");
  EXPECT_EQ(value.line(), 2u);
  EXPECT_EQ(value.members()[1].key_line, 3u);
  EXPECT_EQ(value.find("spec")->find("ports")->items()[1].line(), 6u);
}

TEST(Yaml, LinesGoOnAcrossDocuments) {
  auto documents = parse_yaml("a: 1\n---\n# c\nb: 2\n---\nc: 3\n", "t.yaml");
  ASSERT_TRUE(documents);
  ASSERT_EQ(documents->size(), 3u);
  EXPECT_EQ((*documents)[1].members()[0].key_line, 4u);
  EXPECT_EQ((*documents)[2].members()[0].key_line, 6u);
}

TEST(Yaml, ScalarsHaveTheTypesOfKubernetes) {
  using Type = Value::Type;
  const std::vector<std::pair<std::string, Type>> table = {
      {"yes", Type::kBool},        {"No", Type::kBool},
      {"on", Type::kBool},         {"true", Type::kBool},
      {"'yes'", Type::kString},    {"\"true\"", Type::kString},
      {"~", Type::kNull},          {"null", Type::kNull},
      {"'null'", Type::kString},   {"80", Type::kNumber},
      {"1.5", Type::kNumber},      {"1e3", Type::kNumber},
      {"0x1F", Type::kNumber},     {"10.0.0.1", Type::kString},
      {"1.2.3", Type::kString},    {"v1", Type::kString},
      {"-", Type::kList},          {"'80'", Type::kString},
      {"!!str 80", Type::kString}, {"2024-01-01", Type::kString},
      {"-5", Type::kNumber}};
  for (const auto& [text, type] : table) {
    const Value value = one("k: \n  " + text + "\n");
    EXPECT_EQ(value.find("k")->type(), type) << text;
  }
}

TEST(Yaml, IntegersAreReadInEveryNotation) {
  EXPECT_EQ(one("k: 0x1F").find("k")->as_int64(), 31);
  EXPECT_EQ(one("k: 017").find("k")->as_int64(), 15);
  EXPECT_EQ(one("k: -9").find("k")->as_int64(), -9);
  EXPECT_EQ(one("k: 1.0").find("k")->as_int64(), std::nullopt);
  EXPECT_EQ(one("k: 99999999999999999999").find("k")->as_int64(), std::nullopt);
}

TEST(Yaml, MissingNullAndEmptyListDiffer) {
  const Value value = one("a:\nb: []\n");
  EXPECT_TRUE(value.find("a")->is_null());
  EXPECT_TRUE(value.find("b")->is_list());
  EXPECT_EQ(value.find("c"), nullptr);
}

TEST(Yaml, ASyntaxErrorKeepsTheOtherDocuments) {
  const ParsedText parsed = parse_documents(
      "kind: Pod\n---\nkind: AuthorizationPolicy\nmetadata:\n  name: deny-all  # why\n"
      "  namespace: \"shop\"\nspec: [\n---\nkind: Service\n");
  ASSERT_EQ(parsed.documents.size(), 2u);
  EXPECT_EQ(parsed.documents[1].find("kind")->text(), "Service");
  ASSERT_EQ(parsed.broken.size(), 1u);
  EXPECT_EQ(parsed.broken[0].reason, Reason::syntax_error);
  EXPECT_GE(parsed.broken[0].line, 3u);
  EXPECT_LE(parsed.broken[0].line, 8u);
  EXPECT_EQ(parsed.broken[0].kind, "AuthorizationPolicy");
  EXPECT_EQ(parsed.broken[0].ns, "shop");
  EXPECT_EQ(parsed.broken[0].name, "deny-all");
}

TEST(Yaml, ADuplicateKeyNamesBothLines) {
  const ParsedText parsed = parse_documents("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n");
  ASSERT_EQ(parsed.broken.size(), 1u);
  EXPECT_EQ(parsed.broken[0].reason, Reason::duplicate_key);
  EXPECT_EQ(parsed.broken[0].line, 5u);
  EXPECT_THAT(parsed.broken[0].message, HasSubstr("line 3"));
}

TEST(Yaml, TheErrorNamesFileLineAndFix) {
  const auto documents = parse_yaml("a: 1\na: 2\n", "shop.yaml");
  ASSERT_FALSE(documents);
  EXPECT_EQ(documents.error().context,
            "shop.yaml:2: key 'a' is already set on line 1; remove one of the two");
}

TEST(Yaml, DeepNestingIsRefusedAndNotCrashed) {
  for (const size_t levels : {65u, 1'000u, 100'000u}) {
    for (const char* part : {"[", "{a: ", "- ", "? ", "[{"}) {
      std::string text = repeated(part, levels);
      if (text.size() > kDocumentBytesMax) text.resize(kDocumentBytesMax);
      const ParsedText parsed = parse_documents(text);
      EXPECT_TRUE(parsed.documents.empty()) << levels << part;
      ASSERT_EQ(parsed.broken.size(), 1u) << levels << part;
    }
  }
  EXPECT_EQ(parse_documents(repeated("[", 1000) + repeated("]", 1000)).broken.at(0).reason,
            Reason::document_too_deep);
  EXPECT_TRUE(parse_documents(repeated("[", 64) + repeated("]", 64)).broken.empty());
}

TEST(Yaml, ATooLargeTextIsRefusedUnread) {
  const ParsedText parsed = parse_documents(std::string(10u << 20, 'a'));
  ASSERT_EQ(parsed.broken.size(), 1u);
  EXPECT_EQ(parsed.broken[0].reason, Reason::document_too_large);
}

TEST(Yaml, AliasesExpandWithinTheLimit) {
  const Value value = one("a: &x [1, 2]\nb: *x\n");
  EXPECT_EQ(value.find("b")->items().size(), 2u);
}

TEST(Yaml, NestedAliasesCannotMultiplyMemory) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string from = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) text += from + (k == 9 ? "]\n" : ", ");
  }
  const ParsedText parsed = parse_documents(text);
  ASSERT_EQ(parsed.broken.size(), 1u);
  EXPECT_EQ(parsed.broken[0].reason, Reason::document_too_large);
}

TEST(Yaml, OddInputIsReportedNotThrown) {
  for (const char* text :
       {"a: *nope\n", "a: &x [*x]\n", "? [a]\n: b\n", "<<: {a: 1}\n", "\t- a\n", "a: !!binary aa\n",
        "a: 'open\n", "%YAML 9\n---\na: 1\n", "a: b: c\n", "a: \"open\n", "a: [1\n", "a: {b: 1\n",
        "- a\nb: c\n", "@a\n", "~: 1\n", "a: |\n b\n c: \"\n- d\n", "\"\\xZZ\"\n"})
    EXPECT_FALSE(parse_documents(text).broken.empty()) << text;
  for (const std::string text :
       {"", "\n", "---\n", "---\n---\n", "# only\n", "...\n", "\xEF\xBB\xBF"})
    EXPECT_TRUE(parse_documents(text).documents.empty()) << text;
}

TEST(Yaml, JsonTextIsYamlAndComesBackTheSame) {
  const Value value = one("a: \"q\\\"\\u0001\"\nb: [1, yes, ~, 'no']\nc: {}\n");
  EXPECT_EQ(value.to_json(),
            "{\"a\": \"q\\\"\\u0001\", \"b\": [1, true, null, \"no\"], \"c\": {}}");
  EXPECT_EQ(one(value.to_json()).to_json(), value.to_json());
}

}  // namespace
}  // namespace keelson::document
