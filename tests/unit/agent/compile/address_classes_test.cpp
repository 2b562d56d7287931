#include "compile/address_classes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace keelson::compile {
namespace {

using model::PolicySource;

IpPrefix prefix(std::string_view text) {
  return IpPrefix::parse(text).value();
}

AddressClasses classes_of(const std::vector<PolicySource>& sources) {
  std::vector<const PolicySource*> pointers;
  for (const PolicySource& source : sources) pointers.push_back(&source);
  return AddressClasses(std::move(pointers));
}

// What the kernel's trie would say: the row with the longest prefix that holds the address.
uint32_t class_at(const AddressClasses& classes, const IpAddress& address) {
  uint32_t found = 0;
  int longest = -1;
  for (const auto& [region, number] : classes.rows())
    if (region.contains(address) && region.length_bits > longest) {
      longest = region.length_bits;
      found = number;
    }
  return found;
}

// The lists read one after the other, as Istio's reference words it.
Match plainly(const PolicySource& source, const IpAddress& address) {
  const auto holds = [&](const std::vector<IpPrefix>& list) {
    return std::any_of(list.begin(), list.end(), [&](const IpPrefix& one) {
      return is_v4_prefix(one) == address.is_v4() && one.contains(address);
    });
  };
  if (source.not_ip_blocks && holds(*source.not_ip_blocks)) return Match::kNo;
  if (!source.ip_blocks) return Match::kYes;
  if (source.ip_blocks->empty()) return Match::kMaybe;
  return holds(*source.ip_blocks) ? Match::kYes : Match::kNo;
}

TEST(AddressClasses, TellApartWhatSourcesTellApart) {
  PolicySource inside, outside;
  inside.ip_blocks = {prefix("10.0.0.0/8"), prefix("fd00::/8")};
  outside.not_ip_blocks = {prefix("10.1.0.0/16")};
  const auto classes = classes_of({inside, outside});
  EXPECT_EQ(classes.size(), 3u);
  const auto at = [&](const char* text) {
    return classes.signature(class_at(classes, IpAddress::parse(text).value()));
  };
  using enum Match;
  EXPECT_EQ(at("192.0.2.1"), (std::vector{kNo, kYes}));
  EXPECT_EQ(at("10.2.0.1"), (std::vector{kYes, kYes}));
  EXPECT_EQ(at("10.1.0.1"), (std::vector{kYes, kNo}));
  EXPECT_EQ(at("fd00::1"), (std::vector{kYes, kYes}));
}

TEST(AddressClasses, KeepTheFamiliesApart) {
  PolicySource everything_v6;
  everything_v6.ip_blocks = {prefix("::/0")};
  const auto classes = classes_of({everything_v6});
  EXPECT_NE(class_at(classes, IpAddress::parse("2001:db8::1").value()), 0u);
  EXPECT_EQ(class_at(classes, IpAddress::parse("10.0.0.1").value()), 0u);
}

// Took 97 s when each region asked each prefix.
TEST(AddressClasses, NeedTwoForAHundredThousandBlocksOfOneRule) {
  PolicySource source;
  source.ip_blocks.emplace();
  for (uint32_t i = 0; i < 100'000; i++) {
    const uint32_t network = 0x0b000000u + (i << 8);
    source.ip_blocks->push_back(prefix(std::to_string(network >> 24) + "." +
                                       std::to_string(network >> 16 & 255) + "." +
                                       std::to_string(network >> 8 & 255) + ".0/24"));
  }
  const auto classes = classes_of({source});
  EXPECT_EQ(classes.size(), 2u);
  EXPECT_EQ(classes.rows().size(), 100'000u);
}

// Random sets with much overlap, in both families, against the plain reading.
TEST(AddressClasses, AgreeWithThePlainReadingOfTheLists) {
  std::mt19937 random(1);
  const auto up_to = [&](uint32_t most) {
    return std::uniform_int_distribution<uint32_t>(0, most)(random);
  };
  const auto some_address = [&] {
    const std::string low = std::to_string(up_to(3)) + "." + std::to_string(up_to(3));
    return up_to(1) != 0 ? "10." + low + ".0" : "fd00:" + std::to_string(up_to(3)) + "::";
  };
  const auto some_prefix = [&] {
    const auto address = IpAddress::parse(some_address()).value();
    for (;;) {
      const uint32_t bits = up_to(address.is_v4() ? 32 : 48);
      const auto made = IpPrefix::parse(address.to_string() + "/" + std::to_string(bits));
      if (made) return *made;  // else bits are set beyond the length: a longer one will do
    }
  };
  for (int round = 0; round < 300; round++) {
    std::vector<PolicySource> sources(1 + up_to(4));
    for (PolicySource& source : sources) {
      if (up_to(3) != 0) source.ip_blocks.emplace();
      for (uint32_t i = up_to(4); source.ip_blocks && i > 0; i--)
        source.ip_blocks->push_back(some_prefix());
      if (up_to(2) == 0) source.not_ip_blocks = {some_prefix()};
    }
    const auto classes = classes_of(sources);
    for (int i = 0; i < 20; i++) {
      const auto address = IpAddress::parse(some_address()).value();
      const auto signature = classes.signature(class_at(classes, address));
      for (size_t at = 0; at < sources.size(); at++)
        ASSERT_EQ(signature[at], plainly(sources[at], address))
            << address.to_string() << " source " << at << " round " << round;
    }
  }
}

}  // namespace
}  // namespace keelson::compile
