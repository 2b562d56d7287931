#include <gmock/gmock.h>

#include "model/decode.h"

namespace keelson::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using namespace std::chrono_literals;

constexpr const char* kParent =
    "  parentRefs: [{group: \"\", kind: Service, name: pay, port: 80}]\n";

std::string route(const std::string& spec) {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata:\n  name: r\n"
         "  namespace: shop\n  creationTimestamp: \"1970-01-02T00:00:01Z\"\nspec:\n" +
         spec;
}

Shared<HttpRoute> object_of(const DecodedFile& file) {
  if (file.objects.size() == 1 && file.objects[0].object)
    return std::get<Shared<HttpRoute>>(*file.objects[0].object);
  ADD_FAILURE() << "no good object";
  for (const Finding& finding : file.findings) ADD_FAILURE() << finding.message;
  return std::make_shared<HttpRoute>();
}

Shared<HttpRoute> good(const std::string& rules) {
  const DecodedFile file = decode_file("t.yaml", route(kParent + rules));
  for (const Finding& finding : file.findings) ADD_FAILURE() << finding.message;
  return object_of(file);
}

TEST(DecodeHttpRoute, ReadsEveryPartOfARule) {
  const auto object = good(R"(
  rules:
  - name: canary
    matches:
    - path: {type: Exact, value: /pay/now}
      method: POST
      headers: [{name: X-User, value: a}, {name: x-ua, type: RegularExpression, value: "fire.*"}]
      queryParams: [{name: Mode, value: fast}]
    - path: {value: /v2/}
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier: {set: [{name: X-A, value: "1"}], add: [{name: X-B, value: "2"}], remove: [X-C]}
    - type: ResponseHeaderModifier
      responseHeaderModifier: {remove: [server]}
    - type: URLRewrite
      urlRewrite: {hostname: pay.example, path: {type: ReplaceFullPath, replaceFullPath: /x}}
    backendRefs:
    - {name: pay-v1, port: 80, weight: 90}
    - name: pay-v2
      namespace: other
      port: 8080
      weight: 10
      filters: [{type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: canary, value: "y"}]}}]
    - {name: pay-v3, port: 80}
    timeouts: {request: 1m30s, backendRequest: 500ms}
)");
  EXPECT_EQ(object->meta.created, 86401);
  ASSERT_EQ(object->parents.size(), 1u);
  EXPECT_EQ(object->parents[0].ns, "shop");
  EXPECT_EQ(object->parents[0].port, 80);
  ASSERT_EQ(object->rules.size(), 1u);
  const HttpRouteRule& rule = object->rules[0];
  EXPECT_EQ(rule.name, "canary");
  ASSERT_EQ(rule.matches.size(), 2u);
  EXPECT_EQ(rule.matches[0].path_kind, config::PathMatch::kExact);
  EXPECT_EQ(rule.matches[0].method, "POST");
  EXPECT_EQ(rule.matches[0].headers[0].name, "x-user");
  EXPECT_EQ(rule.matches[0].headers[1].kind, config::TextMatch::kRegex);
  EXPECT_EQ(rule.matches[0].query[0].name, "Mode");
  EXPECT_EQ(rule.matches[1].path, "/v2");
  EXPECT_THAT(rule.request_headers.set, ElementsAre(Pair("x-a", "1")));
  EXPECT_THAT(rule.request_headers.add, ElementsAre(Pair("x-b", "2")));
  EXPECT_THAT(rule.request_headers.remove, ElementsAre("x-c"));
  EXPECT_THAT(rule.response_headers.remove, ElementsAre("server"));
  EXPECT_EQ(rule.rewrite->hostname, "pay.example");
  EXPECT_EQ(rule.rewrite->path->value, "/x");
  ASSERT_EQ(rule.backends.size(), 3u);
  EXPECT_EQ(rule.backends[0].weight, 90u);
  EXPECT_EQ(rule.backends[1].ns, "other");
  EXPECT_THAT(rule.backends[1].request_headers.add, ElementsAre(Pair("canary", "y")));
  EXPECT_EQ(rule.backends[2].weight, 1u);
  EXPECT_EQ(rule.backends[2].ns, "shop");
  EXPECT_EQ(rule.request_timeout, 90s);
  EXPECT_EQ(rule.backend_timeout, 500ms);
}

TEST(DecodeHttpRoute, MissingPartsReadAsTheApiSays) {
  const auto bare = good("");
  ASSERT_EQ(bare->rules.size(), 1u);
  EXPECT_THAT(bare->rules[0].matches, ElementsAre(config::RequestMatch{}));
  EXPECT_TRUE(bare->rules[0].backends.empty());
  EXPECT_TRUE(good("  rules: []\n")->rules.empty());
  EXPECT_THAT(good("  rules: [{matches: []}]\n")->rules[0].matches,
              ElementsAre(config::RequestMatch{}));
  EXPECT_EQ(
      good("  rules: [{timeouts: {request: 0s, backendRequest: 1s}}]\n")->rules[0].backend_timeout,
      1s);
  const auto redirect =
      good("  rules: [{filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]}]\n");
  EXPECT_EQ(redirect->rules[0].redirect->status, 302);
  EXPECT_EQ(redirect->rules[0].redirect->port, 0);
}

TEST(DecodeHttpRoute, GroupCoreAndTheOlderVersionAreRead) {
  std::string text = route("  parentRefs: [{group: core, kind: Service, name: pay}]\n");
  text.replace(text.find("/v1"), 3, "/v1beta1");
  const DecodedFile file = decode_file("t.yaml", text);
  EXPECT_TRUE(file.findings.empty());
  EXPECT_EQ(object_of(file)->parents.size(), 1u);
}

TEST(DecodeHttpRoute, ARouteOfGatewaysIsNotOurBusiness) {
  const DecodedFile file = decode_file(
      "t.yaml",
      route("  parentRefs: [{name: gw}]\n  rules: [{filters: [{type: ExtensionRef}]}]\n"));
  EXPECT_TRUE(object_of(file)->parents.empty());
  ASSERT_EQ(file.findings.size(), 1u);
  EXPECT_EQ(file.findings[0].severity, Severity::kInfo);
  EXPECT_THAT(file.findings[0].message, HasSubstr("parentRefs[0] is ignored: Gateway"));
}

TEST(DecodeHttpRoute, WhatIsIgnoredIsSaid) {
  const DecodedFile file = decode_file("t.yaml", route(R"(
  hostnames: [pay.example]
  parentRefs: [{group: "", kind: Service, name: pay}, {kind: Service, name: web}]
  rules: [{matches: [{headers: [{name: A, value: x}, {name: a, value: z}]}]}]
)"));
  EXPECT_EQ(object_of(file)->parents.size(), 1u);
  EXPECT_EQ(object_of(file)->rules[0].matches[0].headers.size(), 1u);
  ASSERT_EQ(file.findings.size(), 3u);
  for (const Finding& finding : file.findings) EXPECT_EQ(finding.severity, Severity::kWarning);
  EXPECT_EQ(file.findings[0].fix, "write group: \"\"");
  EXPECT_THAT(file.findings[1].message, HasSubstr("spec.hostnames is ignored"));
  EXPECT_THAT(file.findings[2].message, HasSubstr("'a' stands before"));
}

TEST(DecodeHttpRoute, AnUnknownBackendKindIsKeptAsInvalid) {
  const auto object =
      good("  rules: [{backendRefs: [{group: x.io, kind: Bucket, name: b, weight: 3}]}]\n");
  EXPECT_EQ(object->rules[0].backends[0].kind, "x.io/Bucket");
  EXPECT_EQ(object->rules[0].backends[0].weight, 3u);
}

struct BadRoute {
  std::string rule;  // one item of rules
  Reason reason;
  const char* message;
  const char* fix;
};
void PrintTo(const BadRoute& bad, std::ostream* out) {
  *out << bad.rule;
}

std::string repeated(const std::string& item, int count) {
  std::string list;
  for (int i = 0; i < count; ++i) list += (i == 0 ? "" : ", ") + item;
  return "[" + list + "]";
}
std::string path(const std::string& type, const std::string& value) {
  return "{matches: [{path: {type: " + type + ", value: '" + value + "'}}]}";
}
std::string filter(const std::string& body) {
  return "{filters: [" + body + "]}";
}
std::string modifier(const std::string& body) {
  return filter("{type: RequestHeaderModifier, requestHeaderModifier: {" + body + "}}");
}
std::string rewrite(const std::string& path) {
  return "{type: URLRewrite, urlRewrite: {path: {" + path + "}}}";
}

const BadRoute kBadRoutes[] = {
    {"{mathces: []}", Reason::unknown_field, "spec.rules[0].mathces", "'matches'"},
    {"~", Reason::wrong_type, "spec.rules[0] is null", "write {}"},
    {"{matches: " + repeated("{}", 65) + "}", Reason::bad_value, "has 65 items", "at most 64"},
    {path("Glob", "/a"), Reason::bad_value, "'Glob' is not a path match", "PathPrefix"},
    {path("Exact", "a"), Reason::bad_value, "must start with '/'", ""},
    {path("Exact", "/a//b"), Reason::bad_value, "must not contain", ""},
    {path("PathPrefix", "/a/./b"), Reason::bad_value, "must not contain", ""},
    {path("PathPrefix", "/a/../b"), Reason::bad_value, "must not contain", ""},
    {path("PathPrefix", "/a%2Fb"), Reason::bad_value, "must not contain", ""},
    {path("PathPrefix", "/a/.."), Reason::bad_value, "must not end", ""},
    {path("PathPrefix", "/a b"), Reason::bad_value, "a character that no path has", ""},
    {path("PathPrefix", "/a%4"), Reason::bad_value, "hexadecimal", ""},
    {path("PathPrefix", "/" + std::string(1024, 'a')), Reason::bad_value, "longer than 1024", ""},
    {path("RegularExpression", "/a("), Reason::bad_value, "not a regular expression", "RE2"},
    {path("RegularExpression", "/(?=a)"), Reason::bad_value, "not a regular expression", "RE2"},
    {path("RegularExpression", "/.{900}"), Reason::bad_value, "too large", "several matches"},
    {"{matches: [{method: get}]}", Reason::bad_value, "'get' is not a method", "capitals"},
    {"{matches: [{headers: [{name: \"a b\", value: x}]}]}", Reason::bad_value, "not a valid name",
     ""},
    {"{matches: [{headers: [{name: a}]}]}", Reason::missing_field, "headers[0].value is missing",
     "add it"},
    {"{matches: [{headers: [{name: a, value: 1}]}]}", Reason::wrong_type, "must be a string",
     "in quotes"},
    {"{matches: [{headers: [{name: a, value: \"x\\r\\n\"}]}]}", Reason::bad_value, "line break",
     ""},
    {"{matches: [{headers: [{name: a, value: x, type: Prefix}]}]}", Reason::bad_value,
     "'Prefix' is not a match type", "Exact"},
    {"{matches: [{queryParams: [{name: a, value: \"(\", type: RegularExpression}]}]}",
     Reason::bad_value, "not a regular expression", ""},
    {"{matches: [{queryParams: " + repeated("{name: a, value: b}", 17) + "}]}", Reason::bad_value,
     "has 17 items", "at most 16"},
    {filter("{type: RequestMirror, requestMirror: {}}"), Reason::unsupported_field,
     "RequestMirror is not implemented", "remove the filter"},
    {filter("{type: CORS}"), Reason::unsupported_field, "CORS is not implemented", ""},
    {filter("{type: ExtensionRef}"), Reason::unsupported_field, "ExtensionRef", ""},
    {filter("{type: ExternalAuth}"), Reason::unsupported_field, "ExternalAuth", ""},
    {filter("{type: Nothing}"), Reason::bad_value, "'Nothing' is not a filter", ""},
    {filter("{}"), Reason::missing_field, "type is missing", ""},
    {filter("{type: URLRewrite}"), Reason::missing_field, "urlRewrite is missing", "add it"},
    {filter("{type: URLRewrite, urlRewrite: {}, requestRedirect: {}}"), Reason::unknown_field,
     "requestRedirect", ""},
    {filter("{type: URLRewrite, urlRewrite: {}}, {type: URLRewrite, urlRewrite: {}}"),
     Reason::bad_value, "stands here twice", "merge"},
    {filter("{type: URLRewrite, urlRewrite: {}}, {type: RequestRedirect, requestRedirect: {}}"),
     Reason::bad_value, "have both", "remove one"},
    {modifier("set: [{name: \"a:\", value: x}]"), Reason::bad_value, "not a valid name", ""},
    {modifier("set: [{name: a, value: \"x\\ny\"}]"), Reason::bad_value, "line break", ""},
    {modifier("set: [{name: a, value: \"x\\0y\"}]"), Reason::bad_value, "NUL", ""},
    {modifier("set: [{name: a, value: x}], remove: [A]"), Reason::bad_value, "'a' is named twice",
     ""},
    {modifier("remove: [Transfer-Encoding]"), Reason::bad_value, "cannot be modified", "frames"},
    {modifier("set: [{name: Host, value: x}]"), Reason::bad_value, "cannot be modified",
     "URLRewrite"},
    {filter("{type: RequestRedirect, requestRedirect: {statusCode: 200}}"), Reason::bad_value,
     "200 is not a redirect", "302"},
    {filter("{type: RequestRedirect, requestRedirect: {scheme: ftp}}"), Reason::bad_value,
     "'ftp' is not a scheme", "https"},
    {filter("{type: RequestRedirect, requestRedirect: {hostname: \"*.a\"}}"), Reason::bad_value,
     "not a host name", ""},
    {filter("{type: RequestRedirect, requestRedirect: {hostname: 10.0.0.1}}"), Reason::bad_value,
     "not a host name", ""},
    {filter("{type: RequestRedirect, requestRedirect: {}}")
         .insert(1, "backendRefs: [{name: a, port: 1}], "),
     Reason::bad_value, "cannot stand beside a RequestRedirect", ""},
    {filter(rewrite("type: ReplaceFullPath, replacePrefixMatch: /a")), Reason::unknown_field,
     "replacePrefixMatch", ""},
    {filter(rewrite("type: ReplaceFullPath, replaceFullPath: a")), Reason::bad_value,
     "'a' is not a path", ""},
    {filter(rewrite("type: Replace")), Reason::bad_value, "not a path modifier", ""},
    {filter(rewrite("type: ReplacePrefixMatch, replacePrefixMatch: /a"))
         .insert(1, "matches: [{path: {type: Exact, value: /x}}], "),
     Reason::bad_value, "not exactly one PathPrefix", "ReplaceFullPath"},
    {filter(rewrite("type: ReplacePrefixMatch, replacePrefixMatch: /a"))
         .insert(1, "matches: [{path: {value: /x}}, {path: {value: /y}}], "),
     Reason::bad_value, "not exactly one PathPrefix", ""},
    {"{backendRefs: " + repeated("{name: a, port: 1}", 17) + "}", Reason::bad_value, "has 17 items",
     ""},
    {"{backendRefs: [{name: a}]}", Reason::missing_field, "port is missing", "Service's port"},
    {"{backendRefs: [{port: 80}]}", Reason::missing_field, "name is missing", ""},
    {"{backendRefs: [{name: a, port: 0}]}", Reason::bad_value, "port number", ""},
    {"{backendRefs: [{name: a, port: 1, weight: -1}]}", Reason::bad_value, "out of range", ""},
    {"{backendRefs: [{name: a, port: 1, weight: 1000001}]}", Reason::bad_value, "out of range", ""},
    {"{backendRefs: [{name: a, port: 1, filters: [{type: URLRewrite, urlRewrite: {}}]}]}",
     Reason::unsupported_field, "not implemented on a backendRef", "move the filter"},
    {"{timeouts: {request: 1.5s}}", Reason::bad_value, "not a duration", "1m30s"},
    {"{timeouts: {request: \"10\"}}", Reason::bad_value, "not a duration", ""},
    {"{timeouts: {request: 100000s}}", Reason::bad_value, "not a duration", ""},
    {"{timeouts: {request: 1s, backendRequest: 2s}}", Reason::bad_value, "longer than", "shorten"},
    {"{retry: {attempts: 3}}", Reason::unsupported_field, "retry is not implemented", "remove it"},
    {"{sessionPersistence: {}}", Reason::unsupported_field, "sessionPersistence", ""},
    {"{name: A_b}", Reason::bad_value, "not a valid name", ""},
};

class BadHttpRoute : public testing::TestWithParam<BadRoute> {};

TEST_P(BadHttpRoute, IsRefusedWithPlaceAndFix) {
  const BadRoute& bad = GetParam();
  const DecodedFile file =
      decode_file("t.yaml", route(kParent + ("  rules: [" + bad.rule + "]\n")));
  ASSERT_EQ(file.objects.size(), 1u);
  EXPECT_FALSE(file.objects[0].object);
  ASSERT_FALSE(file.findings.empty());
  const Finding& finding = file.findings.front();
  EXPECT_EQ(finding.reason, bad.reason) << finding.message;
  EXPECT_THAT(finding.message, HasSubstr(bad.message));
  EXPECT_THAT(finding.message, HasSubstr("spec.rules[0]"));
  EXPECT_THAT(finding.fix, HasSubstr(bad.fix));
  EXPECT_EQ(finding.where.line, 9u);
  EXPECT_EQ(finding.object, "HTTPRoute shop/r");
}
INSTANTIATE_TEST_SUITE_P(Each, BadHttpRoute, testing::ValuesIn(kBadRoutes));

TEST(DecodeHttpRoute, LimitsOfTheWholeRouteAreKept) {
  const auto refused = [](const std::string& spec) {
    const DecodedFile file = decode_file("t.yaml", route(spec));
    EXPECT_FALSE(file.objects.at(0).object) << spec;
    return file.findings.empty() ? "" : file.findings.front().message;
  };
  const std::string rule = "{matches: " + repeated("{}", 64) + "}";
  EXPECT_THAT(refused(kParent + ("  rules: " + repeated("{}", 17) + "\n")), HasSubstr("17 items"));
  EXPECT_THAT(refused(kParent + ("  rules: " + repeated(rule, 3) + "\n")),
              HasSubstr("192 matches"));
  EXPECT_THAT(refused(kParent + std::string("  rules: [{name: a}, {name: a}]\n")),
              HasSubstr("'a' is used twice"));
  const std::string parent = "{group: \"\", kind: Service, name: pay}";
  EXPECT_THAT(refused("  parentRefs: " + repeated(parent, 2) + "\n"), HasSubstr("here twice"));
  EXPECT_THAT(refused("  parentRefs: " + repeated(parent, 33) + "\n"), HasSubstr("33 items"));
}

}  // namespace
}  // namespace keelson::model
