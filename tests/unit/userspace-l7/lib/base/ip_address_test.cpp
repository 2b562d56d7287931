#include "base/ip_address.h"

#include <gtest/gtest.h>

namespace keelson {
namespace {

TEST(IpAddress, ParsesAndPrintsBothFamilies) {
  for (const char* text : {"10.0.0.1", "0.0.0.0", "fd00::1", "::", "::1"}) {
    auto address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
}

TEST(IpAddress, RefusesWhatIsNotAnAddress) {
  for (const char* text : {"", "10.0.0", "10.0.0.1:80", "fd00::1%eth0", "host"})
    EXPECT_FALSE(IpAddress::parse(text)) << text;
}

TEST(IpAddress, MappedIPv4EqualsIPv4) {
  EXPECT_EQ(IpAddress::parse("::ffff:10.0.0.1").value(), IpAddress::parse("10.0.0.1").value());
}

TEST(IpPrefix, ContainsComparesWholeAndPartialBytes) {
  const IpPrefix prefix = IpPrefix::parse("10.16.0.0/12").value();
  EXPECT_TRUE(prefix.contains(IpAddress::parse("10.31.255.255").value()));
  EXPECT_FALSE(prefix.contains(IpAddress::parse("10.32.0.0").value()));
  EXPECT_EQ(prefix.to_string(), "10.16.0.0/12");
}

TEST(IpPrefix, WidensToThePrefixThatHoldsIt) {
  for (const auto& [from, bits, to] : {std::tuple{"10.31.7.0/24", 12, "10.16.0.0/12"},
                                       {"10.31.7.0/24", 24, "10.31.7.0/24"},
                                       {"10.31.7.9/32", 0, "0.0.0.0/0"}}) {
    const auto prefix = IpPrefix::parse(from).value();
    EXPECT_EQ(prefix.widened(static_cast<uint8_t>(96 + bits)).to_string(), to);
  }
  EXPECT_EQ(IpPrefix::parse("fd00:1::/33").value().widened(7).to_string(), "fc00::/7");
  EXPECT_EQ(IpPrefix::parse("fd00::1").value().widened(128).to_string(), "fd00::1/128");
}

TEST(IpPrefix, RefusesHostBitsAndNamesTheFix) {
  auto prefix = IpPrefix::parse("10.0.0.1/8");
  ASSERT_FALSE(prefix);
  EXPECT_NE(prefix.error().context.find("10.0.0.0/8"), std::string::npos);
}

TEST(Endpoint, IsReadAsItIsWritten) {
  for (const char* text : {"10.0.0.1:80", "[fd00::1]:80", "0.0.0.0:0"})
    EXPECT_EQ(Endpoint::parse(text).value().to_string(), text);
  EXPECT_EQ(Endpoint::parse("fd00::1:80").value().to_string(), "[fd00::1]:80");
}

TEST(Endpoint, WhatIsNoneIsRefused) {
  for (const char* text : {"", "10.0.0.1", "10.0.0.1:", "10.0.0.1:x", "10.0.0.1:99999", ":80",
                           "[10.0.0.1]:80", "host:80", "10.0.0.1:80 "})
    EXPECT_EQ(Endpoint::parse(text).error().reason, Reason::bad_value) << text;
}

TEST(Endpoint, SurvivesTheSocketAddress) {
  for (const char* text : {"10.0.0.1", "fd00::1"}) {
    const Endpoint endpoint{IpAddress::parse(text).value(), 8080};
    sockaddr_storage storage;
    endpoint.to_sockaddr(storage);
    EXPECT_EQ(Endpoint::from_sockaddr(storage).value(), endpoint);
  }
}

}  // namespace
}  // namespace keelson
