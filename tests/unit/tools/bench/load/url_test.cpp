#include "load/url.h"

#include <gtest/gtest.h>

#include <tuple>

namespace keelson::load {
namespace {

using Parts = std::tuple<bool, std::string, uint16_t, std::string, std::string>;

Parts parts(const char* text) {
  const auto url = Url::parse(text);
  EXPECT_TRUE(url) << text;
  return url ? Parts(url->is_tls, url->host, url->port, url->authority, url->path) : Parts();
}

TEST(Url, IsTakenApart) {
  EXPECT_EQ(parts("http://cart"), Parts(false, "cart", 80, "cart", "/"));
  EXPECT_EQ(parts("http://10.0.0.1:8080/1k"),
            Parts(false, "10.0.0.1", 8080, "10.0.0.1:8080", "/1k"));
  EXPECT_EQ(parts("https://cart/a?b=c#d"), Parts(true, "cart", 443, "cart", "/a?b=c"));
  EXPECT_EQ(parts("http://cart?b=/c"), Parts(false, "cart", 80, "cart", "/?b=/c"));
  EXPECT_EQ(parts("http://[fd00::1]:81/"), Parts(false, "fd00::1", 81, "[fd00::1]:81", "/"));
  EXPECT_EQ(parts("http://[fd00::1]"), Parts(false, "fd00::1", 80, "[fd00::1]", "/"));
}

class BadUrl : public testing::TestWithParam<const char*> {};

TEST_P(BadUrl, IsRefusedWithAReason) {
  const auto url = Url::parse(GetParam());
  ASSERT_FALSE(url);
  EXPECT_EQ(url.error().reason, Reason::bad_usage);
  EXPECT_FALSE(url.error().context.empty());
}

INSTANTIATE_TEST_SUITE_P(Table, BadUrl,
                         testing::Values("", "cart", "ftp://cart", "http://", "http://:80/",
                                         "http://cart:/", "http://cart:0/", "http://cart:65536/",
                                         "http://cart:80x/", "http://a b/", "http://cart/\r\nX: y",
                                         "http://[fd00::1", "http://[fd00::1]x",
                                         "http://me@cart/"));

TEST(HostPort, NeedsAPort) {
  EXPECT_EQ(HostPort::parse("127.0.0.1:80")->port, 80);
  EXPECT_EQ(HostPort::parse("[::1]:80")->host, "::1");
  EXPECT_FALSE(HostPort::parse("127.0.0.1"));
  EXPECT_FALSE(HostPort::parse(":80"));
}

TEST(Resolve, TakesNumbersOfBothFamilies) {
  EXPECT_EQ(resolve({"127.0.0.1", 80})->storage.ss_family, AF_INET);
  EXPECT_EQ(resolve({"::1", 80})->storage.ss_family, AF_INET6);
}

}  // namespace
}  // namespace keelson::load
