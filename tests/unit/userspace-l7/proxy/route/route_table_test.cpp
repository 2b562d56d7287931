#include "proxy/route/route_table.h"

#include <gtest/gtest.h>

#include <random>

namespace keelson::proxy {
namespace {

using config::PathMatch;
using config::RequestMatch;
using config::RouteSet;
using config::TextMatch;

RequestMatch path_is(PathMatch kind, std::string path) {
  RequestMatch match;
  match.path_kind = kind;
  match.path = std::move(path);
  return match;
}
RequestMatch exact(std::string path) {
  return path_is(PathMatch::kExact, std::move(path));
}
RequestMatch prefix(std::string path) {
  return path_is(PathMatch::kPrefix, std::move(path));
}
RequestMatch regex(std::string path) {
  return path_is(PathMatch::kRegex, std::move(path));
}
RequestMatch header(std::string name, std::string value, TextMatch kind = TextMatch::kExact) {
  RequestMatch match;
  match.headers.push_back({kind, std::move(name), std::move(value)});
  return match;
}
RequestMatch query(std::string name, std::string value, TextMatch kind = TextMatch::kExact) {
  RequestMatch match;
  match.query.push_back({kind, std::move(name), std::move(value)});
  return match;
}

std::shared_ptr<RouteSet> set_of(const std::vector<RequestMatch>& matches) {
  auto set = std::make_shared<RouteSet>();
  for (const RequestMatch& match : matches) {
    const auto rule = static_cast<uint32_t>(set->rules.size());
    set->rules.emplace_back().name = "shop/r#" + std::to_string(rule);
    set->entries.push_back({match, rule});
  }
  return set;
}

std::shared_ptr<const RouteTable> table_of(const std::vector<RequestMatch>& matches) {
  auto table = RouteTable::build(set_of(matches));
  EXPECT_TRUE(table) << table.error().message();
  return *table;
}

http::MessageHead get(std::string target, std::string method = "GET") {
  http::MessageHead head;
  head.method = std::move(method);
  head.authority = "pay.shop:80";
  head.target = std::move(target);
  return head;
}

// Number of the rule; -1: none.
int rule_for(const RouteTable& table, const http::MessageHead& head) {
  const auto match = table.match(head);
  return match ? std::stoi(match->rule->name.substr(7)) : -1;
}
bool matches(const RequestMatch& match, const http::MessageHead& head) {
  return rule_for(*table_of({match}), head) == 0;
}

// ---- paths -------------------------------------------------------------------------------------

struct PathCase {
  RequestMatch match;
  const char* target;
  bool expected;
};

TEST(RouteTable, MatchesPathsByKind) {
  const PathCase cases[] = {
      {prefix("/v2"), "/v2", true},
      {prefix("/v2"), "/v2/", true},
      {prefix("/v2"), "/v2/x", true},
      {prefix("/v2"), "/v2?q", true},
      {prefix("/v2"), "/v2/?q=/v3", true},
      {prefix("/v2"), "/v2example", false},
      {prefix("/v2"), "/v", false},
      {prefix("/v2"), "/V2", false},
      {prefix("/v2"), "/x/v2", false},
      {prefix("/v2"), "/x?/v2", false},
      {prefix("/v2/"), "/v2", true},
      {prefix("/v2/"), "/v2/x", true},
      {prefix("/v2/"), "/v2x", false},
      {prefix("/"), "/", true},
      {prefix("/"), "/anything", true},
      {prefix("/"), "//anything", true},
      {prefix("/"), "*", true},
      {prefix("/a"), "*", false},
      {exact("/abc"), "/abc", true},
      {exact("/abc"), "/abc?x", true},
      {exact("/abc"), "/abc/", false},
      {exact("/abc"), "/ABC", false},
      {exact("/abc/"), "/abc", false},
      {exact("/"), "/", true},
      {exact("/"), "/a", false},
      {exact("/"), "*", false},
      {regex("/v[0-9]+/.*"), "/v12/x", true},
      {regex("/v[0-9]+"), "/v12/x", false},  // the whole text
      {regex("v[0-9]+"), "/v12", false},
      {regex("/a|/ab"), "/ab", true},  // not just the first alternative
      {regex("/a"), "/a?b", true},
  };
  for (const PathCase& c : cases)
    EXPECT_EQ(matches(c.match, get(c.target)), c.expected) << c.match.path << " on " << c.target;
}

TEST(RouteTable, EscapesOfUnreservedCharactersDodgeNoRule) {
  for (const char* target : {"/%61dmin", "/admi%6E", "/%61%64%6d%69%6e"}) {
    EXPECT_TRUE(matches(exact("/admin"), get(target))) << target;
    EXPECT_TRUE(matches(prefix("/admin"), get(std::string(target) + "/x"))) << target;
    EXPECT_TRUE(matches(regex("/adm.n"), get(target))) << target;
  }
  EXPECT_TRUE(matches(exact("/%7euser"), get("/~user"))) << "in the rule too";
  EXPECT_TRUE(matches(exact("/a%2fb"), get("/a%2Fb")));
  EXPECT_FALSE(matches(exact("/admin"), get("/%2561dmin"))) << "once, not twice";
}

TEST(RouteTable, AnEscapedSlashIsNoSlashAndAnEmptySegmentIsASegment) {
  EXPECT_FALSE(matches(prefix("/a"), get("/a%2Fb")));
  EXPECT_FALSE(matches(exact("/a/b"), get("/a%2Fb")));
  EXPECT_FALSE(matches(prefix("/admin"), get("//admin")));
  EXPECT_FALSE(matches(exact("/a/b"), get("/a//b")));
  EXPECT_TRUE(matches(prefix("/a"), get("/a//b")));
}

TEST(RouteTable, APathWithADotSegmentMatchesNoRule) {
  const auto table = table_of({prefix("/public"), regex(".*"), prefix("/")});
  for (const char* target : {"/public/../admin", "/public/..", "/public/%2e%2e/admin",
                             "/public/..;/admin", "/public/..%2Fadmin", "/./admin", "/."})
    EXPECT_EQ(rule_for(*table, get(target)), -1) << target;
  EXPECT_EQ(rule_for(*table, get("/public/x?y=/../z")), 0) << "a query has no segments";
}

// ---- method, headers, query --------------------------------------------------------------------

TEST(RouteTable, MatchesTheMethodAsWritten) {
  RequestMatch post;
  post.method = "POST";
  EXPECT_TRUE(matches(post, get("/", "POST")));
  EXPECT_FALSE(matches(post, get("/", "post")));
  EXPECT_FALSE(matches(post, get("/", "GET")));
  EXPECT_TRUE(matches(RequestMatch{}, get("/", "PURGE")));
}

TEST(RouteTable, MatchesHeadersByNameWithoutCase) {
  auto head = get("/");
  head.headers.add("X-Canary", "yes");
  EXPECT_TRUE(matches(header("x-canary", "yes"), head));
  EXPECT_TRUE(matches(header("X-CANARY", "yes"), head));
  EXPECT_FALSE(matches(header("x-canary", "Yes"), head));
  EXPECT_FALSE(matches(header("x-canary", "ye"), head));
  EXPECT_FALSE(matches(header("x-canary", "yess"), head));
  EXPECT_FALSE(matches(header("x-canary", ""), head));
  EXPECT_FALSE(matches(header("x-other", ""), head)) << "absent is not empty";
  EXPECT_TRUE(matches(header("x-canary", "y.*", TextMatch::kRegex), head));
  EXPECT_FALSE(matches(header("x-canary", "e", TextMatch::kRegex), head)) << "the whole text";
  EXPECT_FALSE(matches(header("x-other", ".*", TextMatch::kRegex), head));
  head.headers.add("x-empty", "");
  EXPECT_TRUE(matches(header("x-empty", ""), head));
  EXPECT_TRUE(matches(header("x-empty", ".*", TextMatch::kRegex), head));
}

TEST(RouteTable, MatchesAllValuesOfARepeatedHeaderTogether) {
  auto head = get("/");
  head.headers.add("x", "a");
  head.headers.add("y", "other");
  head.headers.add("x", "b");
  EXPECT_TRUE(matches(header("x", "a, b"), head));
  for (const char* value : {"a", "b", "a,b", "a, b, ", "a, bc", "a, ", "b, a", "ab"})
    EXPECT_FALSE(matches(header("x", value), head)) << value;
  EXPECT_TRUE(matches(header("x", "a, b", TextMatch::kRegex), head));
  EXPECT_FALSE(matches(header("x", "a", TextMatch::kRegex), head));
}

TEST(RouteTable, MatchesWhatTheCodecTookOutOfTheHeaders) {
  auto head = get("/");
  EXPECT_TRUE(matches(header("Host", "Pay.Shop:80"), head));
  EXPECT_TRUE(matches(header("host", "PAY\\.shop(:80)?", TextMatch::kRegex), head));
  EXPECT_FALSE(matches(header("host", "pay.shop"), head)) << "as it was sent";
  EXPECT_FALSE(matches(header("upgrade", "websocket"), head));
  EXPECT_FALSE(matches(header("expect", "100-continue"), head));
  EXPECT_FALSE(matches(header("content-length", "0"), head));
  head.upgrade = "websocket";
  head.expects_continue = true;
  head.content_length = 18446744073709551615u;
  EXPECT_TRUE(matches(header("upgrade", "websocket"), head));
  EXPECT_TRUE(matches(header("expect", "100-continue"), head));
  EXPECT_TRUE(matches(header("content-length", "18446744073709551615"), head));
  EXPECT_TRUE(matches(header("content-length", "[0-9]{20}", TextMatch::kRegex), head));
  head.authority.clear();
  EXPECT_FALSE(matches(header("host", ".*", TextMatch::kRegex), head));
}

TEST(RouteTable, OfTwoEntriesWithOneNameOnlyTheFirstCounts) {
  RequestMatch match = header("x", "1");
  match.headers.push_back({TextMatch::kExact, "X", "2"});
  match.query = {{TextMatch::kExact, "q", "1"}, {TextMatch::kExact, "q", "2"}};
  auto head = get("/?q=1");
  head.headers.add("x", "1");
  EXPECT_TRUE(matches(match, head));
}

struct QueryCase {
  const char* name;
  const char* value;
  const char* target;
  bool expected;
};

TEST(RouteTable, MatchesQueryParametersDecodedAndTheFirstOfAName) {
  const QueryCase cases[] = {
      {"a", "1", "/?a=1", true},       {"a", "1", "/?b=2&a=1", true},
      {"a", "1", "/?a=1&a=2", true},   {"a", "2", "/?a=1&a=2", false},
      {"a", "1", "/?A=1", false},      {"a", "1", "/?aa=1", false},
      {"a", "1", "/?a=11", false},     {"a", "1", "/?xa=1", false},
      {"a", "1", "/", false},          {"a", "1", "/a=1", false},
      {"a", "", "/?a", true},          {"a", "", "/?a=", true},
      {"a", "", "/?&&a&", true},       {"a", "", "/?b", false},
      {"a", "", "/?", false},          {"a", "1=2", "/?a=1=2", true},
      {"a", "1?2", "/?a=1?2", true},   {"a", "x y", "/?a=x+y", true},
      {"a", "x y", "/?a=x%20y", true}, {"a", "x+y", "/?a=x%2By", true},
      {"a", "x+y", "/?a=x+y", false},  {"a", "1", "/?%61=%31", true},
      {"a", "%31", "/?a=%2531", true}, {"a", "1", "/?a=%2531", false},
      {"a", "%zz%", "/?a=%zz%", true}, {"a", "1&2", "/?a=1%262", true},
      {"a=b", "1", "/?a%3Db=1", true}, {"a", "1", "/?b=1;a=1", false},
  };
  for (const QueryCase& c : cases) {
    EXPECT_EQ(matches(query(c.name, c.value), get(c.target)), c.expected)
        << c.name << "=" << c.value << " on " << c.target;
    const std::string quoted = "\\Q" + std::string(c.value) + "\\E";
    EXPECT_EQ(matches(query(c.name, quoted, TextMatch::kRegex), get(c.target)), c.expected)
        << "as a regex: " << c.name << "=" << c.value << " on " << c.target;
  }
  EXPECT_TRUE(matches(query("a", "x.*", TextMatch::kRegex), get("/?a=x%0Ay"))) << "newline";
}

TEST(RouteTable, EverythingInAMatchMustHold) {
  RequestMatch match = prefix("/a");
  match.method = "GET";
  match.headers = {{TextMatch::kExact, "x", "1"}, {TextMatch::kExact, "y", "2"}};
  match.query = {{TextMatch::kExact, "p", "1"}, {TextMatch::kExact, "q", "2"}};
  auto head = get("/a?p=1&q=2");
  head.headers.add("x", "1");
  head.headers.add("y", "2");
  EXPECT_TRUE(matches(match, head));
  const auto spoiled = [&](auto spoil) {
    auto other = head;
    spoil(other);
    return matches(match, other);
  };
  EXPECT_FALSE(spoiled([](auto& h) { h.target = "/b?p=1&q=2"; }));
  EXPECT_FALSE(spoiled([](auto& h) { h.target = "/a?p=1"; }));
  EXPECT_FALSE(spoiled([](auto& h) { h.target = "/a?q=2"; }));
  EXPECT_FALSE(spoiled([](auto& h) { h.method = "PUT"; }));
  EXPECT_FALSE(spoiled([](auto& h) { h.headers.remove("x"); }));
  EXPECT_FALSE(spoiled([](auto& h) { h.headers.remove("y"); }));
}

// ---- order -------------------------------------------------------------------------------------

TEST(RouteTable, TheFirstEntryDecidesWhateverItsKind) {
  const auto a = table_of({regex("/x.*"), exact("/xy"), prefix("/")});
  EXPECT_EQ(rule_for(*a, get("/xy")), 0);
  const auto b = table_of({prefix("/"), exact("/xy"), prefix("/xy"), regex(".*")});
  EXPECT_EQ(rule_for(*b, get("/xy")), 0) << "not the exact, not the longer one";
  const auto c = table_of({exact("/a"), prefix("/a/b"), prefix("/a"), regex("/c")});
  EXPECT_EQ(rule_for(*c, get("/a")), 0);
  EXPECT_EQ(rule_for(*c, get("/a/b/c")), 1);
  EXPECT_EQ(rule_for(*c, get("/a/bc")), 2);
  EXPECT_EQ(rule_for(*c, get("/c")), 3);
  EXPECT_EQ(rule_for(*c, get("/d")), -1);
  EXPECT_EQ(rule_for(*table_of({}), get("/")), -1);
}

TEST(RouteTable, AMatchThatFailsLeavesTheRequestToTheNext) {
  RequestMatch with_header = header("x", "1");
  with_header.path = "/a";
  const auto table = table_of({with_header, prefix("/a"), prefix("/")});
  auto head = get("/a");
  EXPECT_EQ(rule_for(*table, head), 1);
  head.headers.add("x", "1");
  EXPECT_EQ(rule_for(*table, head), 0);
}

TEST(RouteTable, SaysWhichMatchOfARuleItWas) {
  auto set = std::make_shared<RouteSet>();
  set->rules.resize(1);
  set->entries = {{prefix("/long/one"), 0}, {prefix("/one"), 0}};
  auto built = RouteTable::build(set);
  ASSERT_TRUE(built);
  const auto match = (*built)->match(get("/one/x"));
  ASSERT_TRUE(match);
  EXPECT_EQ(match->rule, &set->rules[0]);
  EXPECT_EQ(match->match, &set->entries[1].match);
}

// Random sets and paths over a tiny alphabet, against the definition: element by element, in order.
bool naive_matches(const RequestMatch& match, const std::string& path) {
  if (match.path_kind == PathMatch::kExact) return path == match.path;
  const auto split = [](const std::string& text) {
    std::vector<std::string> elements(1);
    for (const char c : text.substr(1)) {
      if (c == '/')
        elements.emplace_back();
      else
        elements.back() += c;
    }
    return elements;
  };
  auto wanted = split(match.path);
  if (wanted.back().empty()) wanted.pop_back();
  const auto given = split(path);
  return wanted.size() <= given.size() && std::equal(wanted.begin(), wanted.end(), given.begin());
}

TEST(RouteTable, AgreesWithANaiveModelOnRandomPaths) {
  std::mt19937 random(20260101);
  const auto random_path = [&] {
    std::string path = "/";
    for (unsigned length = random() % 8; length > 0; length--) path += "aab//"[random() % 5];
    return path;
  };
  int hits = 0;
  for (int round = 0; round < 400; round++) {
    std::vector<RequestMatch> list(1 + random() % 24);
    for (RequestMatch& match : list)
      match = path_is(random() % 3 == 0 ? PathMatch::kExact : PathMatch::kPrefix, random_path());
    const auto table = table_of(list);
    for (int i = 0; i < 200; i++) {
      const std::string path = random_path();
      const auto first = std::find_if(
          list.begin(), list.end(), [&](const auto& match) { return naive_matches(match, path); });
      const int expected = first == list.end() ? -1 : static_cast<int>(first - list.begin());
      ASSERT_EQ(rule_for(*table, get(path)), expected) << path;
      if (expected > 0) hits++;
    }
  }
  EXPECT_GT(hits, 10000) << "the paths must meet the rules to show anything";
}

// ---- sets that cannot be used ------------------------------------------------------------------

std::string why_refused(const std::vector<RequestMatch>& list) {
  const auto table = RouteTable::build(set_of(list));
  if (table) return "accepted";
  EXPECT_EQ(table.error().reason, Reason::route_unusable);
  return table.error().context;
}

TEST(RouteTable, NamesRuleAndRegexThatItRefuses) {
  EXPECT_EQ(why_refused({prefix("/"), regex("/(a")}), "rule shop/r#1: regex '/(a': missing ): /(a");
  EXPECT_EQ(why_refused({header("x", "[", TextMatch::kRegex)}),
            "rule shop/r#0: regex '[': missing ]: [");
  EXPECT_EQ(why_refused({query("x", "*", TextMatch::kRegex)}),
            "rule shop/r#0: regex '*': no argument for repetition operator: *");
  EXPECT_EQ(why_refused({regex("\\pL{50}")}), "rule shop/r#0: regex '\\pL{50}' is too large");
}

TEST(RouteTable, RefusesAPathWithoutASlashAndAnEntryWithoutARule) {
  EXPECT_EQ(why_refused({exact("a")}), "rule shop/r#0: path 'a' does not begin with '/'");
  EXPECT_EQ(why_refused({prefix("")}), "rule shop/r#0: path '' does not begin with '/'");
  auto set = set_of({prefix("/")});
  set->entries[0].rule = 1;
  EXPECT_FALSE(RouteTable::build(set));
}

}  // namespace
}  // namespace keelson::proxy
