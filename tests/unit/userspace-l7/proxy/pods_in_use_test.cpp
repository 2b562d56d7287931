#include "proxy/pods_in_use.h"

#include <gtest/gtest.h>

namespace keelson::proxy {
namespace {

constexpr uint64_t kCookie = 5;

struct PodsInUseTest : testing::Test {
  // The pod runs in the namespace of this cookie; 0: it is not in the mesh.
  ConfigLease serve(uint64_t cookie) {
    config::RuntimeConfig runtime;
    if (cookie != 0) {
      auto pod = std::make_shared<config::LocalPod>();
      pod->uid = "uid-web";
      pod->netns_cookie = cookie;
      runtime.local_pods[pod->uid] = pod;
    }
    std::vector<Error> findings;
    config = make_serving_config(std::make_shared<const config::RuntimeConfig>(runtime), nullptr,
                                 findings);
    pods.on_config(config);
    return config;
  }
  std::unique_ptr<PodsInUse::Use> use() { return pods.add(config->pod("uid-web"), config); }

  ConfigLease config;
  std::vector<std::string> unused;
  PodsInUse pods{[this](const config::LocalPod& pod) { unused.push_back(pod.uid); }};
};

TEST_F(PodsInUseTest, RemembersAPodThatLeftAsItWasLastUntilItsLastUseEnds) {
  serve(kCookie);
  auto first = use();
  const ConfigLease last = serve(kCookie);
  auto second = use();
  EXPECT_EQ(pods.departed(kCookie), nullptr);
  EXPECT_FALSE(pods.has_departed("uid-web"));
  serve(0);
  ASSERT_NE(pods.departed(kCookie), nullptr);
  EXPECT_EQ(pods.departed(kCookie)->config, last);
  EXPECT_TRUE(pods.has_departed("uid-web"));
  first.reset();
  EXPECT_TRUE(unused.empty());
  second.reset();
  EXPECT_EQ(unused, std::vector<std::string>{"uid-web"});
  EXPECT_EQ(pods.departed(kCookie), nullptr);
}

TEST_F(PodsInUseTest, SaysNothingOfAPodThatStays) {
  serve(kCookie);
  auto only = use();
  serve(kCookie);
  only.reset();
  EXPECT_TRUE(unused.empty());
}

TEST_F(PodsInUseTest, ForgetsAPodThatNobodyUses) {
  serve(kCookie);
  use();
  serve(0);
  EXPECT_EQ(pods.departed(kCookie), nullptr);
  EXPECT_TRUE(unused.empty());
}

TEST_F(PodsInUseTest, APodThatComesBackHasNotLeft) {
  serve(kCookie);
  auto only = use();
  serve(0);
  serve(kCookie);
  EXPECT_EQ(pods.departed(kCookie), nullptr);
  only.reset();
  EXPECT_TRUE(unused.empty());
}

// Its old namespace has ended: whatever is dialled from there reaches nobody.
TEST_F(PodsInUseTest, APodThatRunsAgainElsewhereHasNotLeft) {
  serve(kCookie);
  auto only = use();
  serve(kCookie + 1);
  EXPECT_EQ(pods.departed(kCookie), nullptr);
  EXPECT_FALSE(pods.has_departed("uid-web"));
  only.reset();
  EXPECT_TRUE(unused.empty());
}

}  // namespace
}  // namespace keelson::proxy
