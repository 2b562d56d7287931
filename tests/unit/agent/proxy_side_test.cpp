#include "proxy_side.h"

#include <gtest/gtest.h>

namespace keelson {
namespace {

std::shared_ptr<const config::LocalPod> pod(const std::string& uid, uint64_t set) {
  auto made = std::make_shared<config::LocalPod>();
  made->uid = uid;
  made->policy_set = {set, 0};
  made->identity = 7;
  return made;
}

class WithLeaving : public testing::Test {
 protected:
  WithLeaving() {
    before_.generation = 4;
    before_.local_pods["web"] = pod("web", 20);
    before_.local_pods["pay"] = pod("pay", 30);
    before_.policy_sets[20] = std::make_shared<const config::PolicySet>();
    before_.policy_sets[30] = std::make_shared<const config::PolicySet>();
    before_.identities[7] = std::make_shared<const config::Identity>();
    auto next = std::make_shared<config::RuntimeConfig>();
    next->generation = 5;
    next->local_pods["pay"] = pod("pay", 31);
    next_ = next;
  }
  config::RuntimeConfig before_;
  std::shared_ptr<const config::RuntimeConfig> next_;
};

TEST_F(WithLeaving, APodWhoseHooksAreStillThereIsServedAsBefore) {
  const auto whole = with_leaving(next_, &before_, {"web"});
  EXPECT_EQ(whole->generation, 5u);
  ASSERT_EQ(whole->local_pods.size(), 2u);
  EXPECT_EQ(whole->local_pods.at("web"), before_.local_pods.at("web"));
  EXPECT_EQ(whole->local_pods.at("pay")->policy_set[0], 31u);
  // By the policy that it had: without its set it would be judged by none.
  EXPECT_TRUE(whole->policy_sets.contains(20));
  EXPECT_FALSE(whole->policy_sets.contains(30));
  EXPECT_TRUE(whole->identities.contains(7));
  EXPECT_EQ(with_leaving(next_, whole.get(), {"web"})->local_pods.size(), 2u);
}

TEST_F(WithLeaving, WithoutOneNothingIsCopied) {
  EXPECT_EQ(with_leaving(next_, &before_, {}), next_);
  EXPECT_EQ(with_leaving(next_, nullptr, {"web"}), next_);
  EXPECT_EQ(with_leaving(next_, &before_, {"unknown"}), next_);
  EXPECT_EQ(with_leaving(next_, &before_, {"pay"}), next_);  // it came back
}

}  // namespace
}  // namespace keelson
