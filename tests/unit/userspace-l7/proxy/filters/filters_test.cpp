#include "proxy/filters/filters.h"

#include <gtest/gtest.h>

namespace keelson::proxy {
namespace {

using config::HeaderModifier;
using config::PathMatch;
using config::PathModifier;
using config::Redirect;
using config::RequestMatch;
using config::Rewrite;
using http::MessageHead;

MessageHead request(std::string target = "/") {
  MessageHead head;
  head.method = "GET";
  head.authority = "pay.shop:8080";
  head.target = std::move(target);
  return head;
}
MessageHead response() {
  MessageHead head;
  head.status = 200;
  return head;
}
RequestMatch prefix(std::string path) {
  RequestMatch match;
  match.path = std::move(path);
  return match;
}
PathModifier full(std::string value) {
  return {PathModifier::Kind::kReplaceFullPath, std::move(value)};
}
PathModifier for_prefix(std::string value) {
  return {PathModifier::Kind::kReplacePrefixMatch, std::move(value)};
}
std::string text_of(const MessageHead& head) {
  std::string text;
  for (const http::HeaderView header : head.headers)
    text.append(header.name).append(": ").append(header.value).append("\n");
  return text;
}

// ---- header modifiers --------------------------------------------------------------------------

TEST(HeaderModifier, SetsAddsAndRemovesInThisOrder) {
  MessageHead head = request();
  head.headers.add("x-set", "old");
  head.headers.add("x-set", "older");
  head.headers.add("x-add", "old");
  head.headers.add("x-gone", "old");
  head.headers.add("x-gone", "older");
  HeaderModifier modifier;
  modifier.set = {{"X-Set", "new"}, {"x-made", "1"}, {"x-both", "2"}};
  modifier.add = {{"X-Add", "new"}, {"x-fresh", "3"}, {"x-both", "3"}};
  modifier.remove = {"X-GONE", "x-absent"};
  modify_headers(modifier, head);
  EXPECT_EQ(text_of(head), "x-set: new\nx-add: old,new\nx-made: 1\nx-both: 2,3\nx-fresh: 3\n");
  EXPECT_EQ(head.authority, "pay.shop:8080");
}

TEST(HeaderModifier, AddsToAllLinesOfAFieldAndSkipsEmptyOnes) {
  MessageHead head = request();
  head.headers.add("x", "a");
  head.headers.add("y", "");
  head.headers.add("x", "b");
  HeaderModifier modifier;
  modifier.add = {{"x", "c"}, {"y", "d"}};
  modify_headers(modifier, head);
  EXPECT_EQ(text_of(head), "x: a,b,c\ny: d\n");
}

TEST(HeaderModifier, NeverMergesSetCookie) {
  MessageHead head = response();
  head.headers.add("set-cookie", "a=1");
  HeaderModifier modifier;
  modifier.add = {{"Set-Cookie", "b=2"}};
  modify_headers(modifier, head);
  EXPECT_EQ(text_of(head), "set-cookie: a=1\nset-cookie: b=2\n");
}

TEST(HeaderModifier, HostIsTheAuthorityOfARequest) {
  MessageHead head = request();
  HeaderModifier modifier;
  modifier.set = {{"Host", "Other.Shop"}};
  modify_headers(modifier, head);
  EXPECT_EQ(head.authority, "other.shop");
  modifier = {};
  modifier.add = {{"host", "third.shop:81"}};
  modify_headers(modifier, head);
  EXPECT_EQ(head.authority, "third.shop:81");
  modifier = {};
  modifier.remove = {"host"};
  modify_headers(modifier, head);
  EXPECT_EQ(head.authority, "third.shop:81");
  modifier = {};
  modifier.set = {{"host", "a b"}, {"host", "u@h"}, {"host", ""}, {"host", "h\r\nx: y"}};
  modify_headers(modifier, head);
  EXPECT_EQ(head.authority, "third.shop:81");
  EXPECT_TRUE(head.headers.empty());
}

TEST(HeaderModifier, AResponseHasNoHost) {
  MessageHead head = response();
  HeaderModifier modifier;
  modifier.set = {{"host", "x"}};
  modify_headers(modifier, head);
  EXPECT_EQ(head, response());
}

TEST(HeaderModifier, NeverTouchesFramingOrWhatConcernsOneHop) {
  MessageHead before = request();
  before.content_length = 5;
  before.upgrade = "websocket";
  before.expects_continue = true;
  MessageHead head = before;
  HeaderModifier modifier;
  for (const char* name :
       {"Content-Length", "transfer-encoding", "Connection", "keep-alive", "te", "upgrade",
        "expect", "proxy-connection", "http2-settings", "content_length", "transfer_encoding"}) {
    modifier.set.emplace_back(name, "7");
    modifier.add.emplace_back(name, "8");
    modifier.remove.emplace_back(name);
  }
  modify_headers(modifier, head);
  EXPECT_EQ(head, before);
}

TEST(HeaderModifier, LeavesOutWhatIsNoValidField) {
  MessageHead head = request();
  HeaderModifier modifier;
  modifier.set = {{"a b", "1"}, {"", "1"}, {"x\r\ny", "1"}, {":path", "/"}, {"x", "1\r\ny: 2"}};
  modifier.add = {{"a:b", "1"}, {"x", std::string("a\0b", 3)}, {"x", "\n"}};
  modify_headers(modifier, head);
  EXPECT_EQ(text_of(head), "");
  modifier = {};
  modifier.set = {{"x", " spaced\t"}};
  modify_headers(modifier, head);
  EXPECT_EQ(text_of(head), "x: spaced\n");
}

// ---- redirects ---------------------------------------------------------------------------------

std::string location(const Redirect& redirect, const MessageHead& head, uint16_t port = 80,
                     const RequestMatch& match = prefix("/")) {
  const MessageHead answer = make_redirect(redirect, match, head, port);
  EXPECT_EQ(answer.content_length, 0u);
  EXPECT_EQ(answer.headers.size(), 1u);
  return std::string(answer.headers.first("location").value_or("none"));
}

struct RedirectCase {
  const char* scheme;
  const char* hostname;
  uint16_t port;
  const char* request_scheme;
  uint16_t service_port;
  const char* expected;
};

TEST(Redirect, ChoosesSchemeHostAndPort) {
  const RedirectCase cases[] = {
      {"", "", 0, "", 80, "http://pay.shop/a?q=1"},
      {"", "", 0, "", 8080, "http://pay.shop:8080/a?q=1"},
      {"", "", 0, "http", 80, "http://pay.shop/a?q=1"},
      {"", "", 0, "https", 443, "https://pay.shop/a?q=1"},
      {"", "", 0, "https", 80, "https://pay.shop:80/a?q=1"},
      {"", "new.shop", 0, "", 80, "http://new.shop/a?q=1"},
      {"", "new.shop", 0, "", 8080, "http://new.shop:8080/a?q=1"},
      {"https", "", 0, "", 8080, "https://pay.shop/a?q=1"},
      {"http", "", 0, "", 8080, "http://pay.shop/a?q=1"},
      {"https", "new.shop", 8443, "", 80, "https://new.shop:8443/a?q=1"},
      {"https", "", 443, "", 8080, "https://pay.shop/a?q=1"},
      {"https", "", 80, "", 8080, "https://pay.shop:80/a?q=1"},
      {"http", "", 443, "", 8080, "http://pay.shop:443/a?q=1"},
      {"", "", 80, "", 8080, "http://pay.shop/a?q=1"},
      {"", "", 9000, "", 8080, "http://pay.shop:9000/a?q=1"},
      {"", "bad host", 0, "", 80, "http://pay.shop/a?q=1"},
  };
  for (const RedirectCase& c : cases) {
    Redirect redirect;
    redirect.scheme = c.scheme;
    redirect.hostname = c.hostname;
    redirect.port = c.port;
    MessageHead head = request("/a?q=1");
    head.scheme = c.request_scheme;
    EXPECT_EQ(location(redirect, head, c.service_port), c.expected);
  }
}

TEST(Redirect, CarriesItsStatusAndNothingElse) {
  EXPECT_EQ(make_redirect({}, prefix("/"), request(), 80).status, 302);
  Redirect redirect;
  redirect.status = 308;
  const MessageHead answer = make_redirect(redirect, prefix("/"), request(), 80);
  EXPECT_EQ(answer.status, 308);
  EXPECT_EQ(text_of(answer), "location: http://pay.shop/\n");
}

TEST(Redirect, KeepsABracketedAddressWhole) {
  MessageHead head = request("/a");
  head.authority = "[fd00::1]:8080";
  EXPECT_EQ(location({}, head, 81), "http://[fd00::1]:81/a");
  head.authority = "[fd00::1]";
  EXPECT_EQ(location({}, head, 80), "http://[fd00::1]/a");
}

TEST(Redirect, ReplacesThePathAndKeepsTheQuery) {
  Redirect redirect;
  redirect.path = full("/new");
  EXPECT_EQ(location(redirect, request("/a?q=1")), "http://pay.shop/new?q=1");
  EXPECT_EQ(location(redirect, request("/a?")), "http://pay.shop/new?");
  redirect.path = for_prefix("/new");
  EXPECT_EQ(location(redirect, request("/a/b?q=/a"), 80, prefix("/a")),
            "http://pay.shop/new/b?q=/a");
}

TEST(Redirect, ARequestWithoutAHostNeverLeadsToAnother) {
  MessageHead head = request("/a?q");
  head.authority.clear();
  EXPECT_EQ(location({}, head), "/a?q");
  head.target = "//evil.example/x";
  EXPECT_EQ(location({}, head), "/evil.example/x");
  head.target = "///";
  EXPECT_EQ(location({}, head), "/");
  Redirect redirect;
  redirect.path = full("//evil.example");
  EXPECT_EQ(location(redirect, head), "/evil.example");
  redirect = {};
  redirect.hostname = "new.shop";
  EXPECT_EQ(location(redirect, head, 81), "http://new.shop:81///");
}

TEST(Redirect, OptionsAsteriskHasNoPath) {
  EXPECT_EQ(location({}, request("*")), "http://pay.shop");
}

// ---- rewrites ----------------------------------------------------------------------------------

struct PrefixCase {
  const char* target;
  const char* prefix;
  const char* value;
  const char* expected;
};

// The first eleven are the table of Gateway API's HTTPPathModifier.
TEST(Rewrite, ReplacesThePrefixByElements) {
  const PrefixCase cases[] = {
      {"/foo/bar", "/foo", "/xyz", "/xyz/bar"},
      {"/foo/bar", "/foo", "/xyz/", "/xyz/bar"},
      {"/foo/bar", "/foo/", "/xyz", "/xyz/bar"},
      {"/foo/bar", "/foo/", "/xyz/", "/xyz/bar"},
      {"/foo", "/foo", "/xyz", "/xyz"},
      {"/foo/", "/foo", "/xyz", "/xyz/"},
      {"/foo/bar", "/foo", "", "/bar"},
      {"/foo/", "/foo", "", "/"},
      {"/foo", "/foo", "", "/"},
      {"/foo/", "/foo", "/", "/"},
      {"/foo", "/foo", "/", "/"},
      {"/foo/bar", "/foo", "/", "/bar"},
      {"/foo?q=1", "/foo", "/", "/?q=1"},
      {"/foo/bar?q=/foo", "/foo", "/xyz", "/xyz/bar?q=/foo"},
      {"/bar", "/", "/xyz", "/xyz/bar"},
      {"/", "/", "/xyz", "/xyz/"},
      {"/%66oo/b%61r", "/foo", "/xyz", "/xyz/b%61r"},
      {"/foo//evil", "/foo", "/", "/evil"},
      {"/foo//bar", "/foo", "/xyz", "/xyz//bar"},
      {"/foo/bar", "/foo", "xyz", "/xyz/bar"},
      {"*", "/", "/xyz", "*"},
      {"", "/", "/xyz", ""},
  };
  for (const PrefixCase& c : cases) {
    MessageHead head = request(c.target);
    Rewrite rule;
    rule.path = for_prefix(c.value);
    rewrite(rule, prefix(c.prefix), head);
    EXPECT_EQ(head.target, c.expected) << c.target << " " << c.prefix << " -> " << c.value;
    EXPECT_EQ(head.authority, "pay.shop:8080");
  }
}

TEST(Rewrite, ReplacesTheFullPathAndKeepsTheQuery) {
  const std::pair<const char*, const char*> cases[] = {
      {"/a", "/new"}, {"/a?q=1", "/new?q=1"}, {"/a?", "/new?"}, {"/", "/new"}, {"*", "*"}};
  for (const auto& [target, expected] : cases) {
    MessageHead head = request(target);
    Rewrite rule;
    rule.path = full("/new");
    rewrite(rule, prefix("/"), head);
    EXPECT_EQ(head.target, expected) << target;
  }
}

TEST(Rewrite, NeverMakesAnInvalidTarget) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "/?q"},
      {"new", "/new?q"},
      {"/a b", "/a%20b?q"},
      {"/a?x=1", "/a%3Fx=1?q"},
      {"/a#f", "/a%23f?q"},
      {"/a HTTP/1.1\r\nx: y", "/a%20HTTP/1.1%0D%0Ax:%20y?q"},
      {"/\xc3\xbc", "/%C3%BC?q"},
      {"/a%20b", "/a%20b?q"},
  };
  for (const auto& [value, expected] : cases) {
    MessageHead head = request("/old?q");
    Rewrite rule;
    rule.path = full(value);
    rewrite(rule, prefix("/"), head);
    EXPECT_EQ(head.target, expected) << value;
    head = request("/old?q");
    rule.path = for_prefix(value);
    rewrite(rule, prefix("/old"), head);
    EXPECT_EQ(head.target, expected) << "as a prefix: " << value;
  }
}

TEST(Rewrite, WithoutAPrefixThereIsNothingToReplace) {
  MessageHead head = request("/foo/bar");
  Rewrite rule;
  rule.path = for_prefix("/xyz");
  RequestMatch match = prefix("/foo/bar");
  match.path_kind = PathMatch::kExact;
  rewrite(rule, match, head);
  EXPECT_EQ(head.target, "/foo/bar");
}

TEST(Rewrite, ReplacesTheWholeAuthority) {
  MessageHead head = request("/a?q");
  Rewrite rule;
  rule.hostname = "New.Shop";
  rewrite(rule, prefix("/"), head);
  EXPECT_EQ(head.authority, "new.shop");
  EXPECT_EQ(head.target, "/a?q");
  rule.hostname = "bad host\r\n";
  rewrite(rule, prefix("/"), head);
  EXPECT_EQ(head.authority, "new.shop");
}

}  // namespace
}  // namespace keelson::proxy
