#include "proxy/options.h"

#include <gtest/gtest.h>

#include <vector>

namespace keelson::proxy {
namespace {

ParsedOptions parse(std::vector<std::string> words) {
  words.insert(words.begin(), "keelson-l7");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  return parse_options(static_cast<int>(argv.size()), argv.data());
}

TEST(ProxyOptions, SocketsFollowTheRunDirectory) {
  const auto parsed = parse({"--run-dir", "/run/keelson-lab/n1/run"});
  ASSERT_TRUE(parsed.options);
  EXPECT_EQ(parsed.options->hold_socket, "/run/keelson-lab/n1/run/hold.sock");
  EXPECT_EQ(parsed.options->agent_socket, "/run/keelson-lab/n1/run/proxy.sock");
  EXPECT_FALSE(parsed.options->allow_capabilities);
  EXPECT_GE(parsed.options->workers, 1u);
}

TEST(ProxyOptions, WrongUsageExitsWithTwo) {
  EXPECT_EQ(parse({"--workers", "0"}).exit_code, 2);
  EXPECT_EQ(parse({"--user", "root"}).exit_code, 2);
  EXPECT_EQ(parse({"--no-such-thing"}).exit_code, 2);
}

TEST(ProxyOptions, TheReadyAddressIsOfEitherFamilyAndOff) {
  EXPECT_FALSE(parse({}).options->ready);
  EXPECT_EQ(parse({"--ready-address", "10.0.0.1:15021"}).options->ready->to_string(),
            "10.0.0.1:15021");
  // As the downward API gives the address of a pod.
  EXPECT_EQ(parse({"--ready-address", "fd00::1:15021"}).options->ready->to_string(),
            "[fd00::1]:15021");
  EXPECT_EQ(parse({"--ready-address", "15021"}).exit_code, 2);
}

struct UserCase {
  const char* text;
  bool is_fine;
  uid_t uid;
  gid_t gid;
};
class UserText : public testing::TestWithParam<UserCase> {};
TEST_P(UserText, IsReadStrictly) {
  const auto user = parse_user(GetParam().text);
  ASSERT_EQ(user.has_value(), GetParam().is_fine);
  if (!user) return;
  EXPECT_EQ(user->uid, GetParam().uid);
  EXPECT_EQ(user->gid, GetParam().gid);
}
INSTANTIATE_TEST_SUITE_P(
    Texts, UserText,
    testing::Values(UserCase{"65532", true, 65532, 65532}, UserCase{"65532:1", true, 65532, 1},
                    UserCase{"0", false, 0, 0}, UserCase{"4294967295", false, 0, 0},
                    UserCase{"1:4294967295", false, 0, 0}, UserCase{"1:", false, 0, 0},
                    UserCase{"", false, 0, 0}, UserCase{"1:2:3", false, 0, 0},
                    UserCase{"-1", false, 0, 0}, UserCase{"x", false, 0, 0}));

}  // namespace
}  // namespace keelson::proxy
