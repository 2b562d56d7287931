#include "ca/server/folder_seams.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "ca/root_keeper.h"
#include "support/fake_clock.h"

namespace keelson::ca {
namespace {

namespace fs = std::filesystem;

class FolderSeamsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "keelson-folder-XXXXXX";
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string put(const std::string& name, const std::string& text, mode_t mode = 0600) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::trunc) << text;
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path;
  }
  std::string folder_;
};

TEST_F(FolderSeamsTest, ATokenOfTheFileIsAGoodAgentsUnlessItSaysOtherwise) {
  const std::string path = put("tokens.yaml",
                               "tokens:\n"
                               "- {token: abc, node: n1, pod: agent-1, podUID: a1}\n"
                               "- {token: def, node: n1, pod: x, podUID: y, user: somebody}\n"
                               "- {token: ghi, node: n1, pod: x, podUID: y, audience: other}\n"
                               "- {token: jkl}\n");
  FileTokens tokens(path, {});
  const auto reason_of = [&](const std::string& token) {
    std::optional<Result<ReviewedToken>> got;
    tokens.review(token, "keelson-ca", [&](Result<ReviewedToken> reviewed) { got = reviewed; });
    if (!*got) return got->error().reason;
    const auto caller = judge_token(**got, {});
    return caller ? Reason::none : caller.error().reason;
  };
  EXPECT_EQ(reason_of("abc"), Reason::none);
  EXPECT_EQ(reason_of("def"), Reason::ca_caller_refused);
  EXPECT_EQ(reason_of("ghi"), Reason::ca_audience_refused);
  EXPECT_EQ(reason_of("jkl"), Reason::ca_node_unproven);
  EXPECT_EQ(reason_of("none"), Reason::ca_token_refused);
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  EXPECT_EQ(reason_of("abc"), Reason::authority_state_unsafe);
}

TEST_F(FolderSeamsTest, PodsAreReadAgainAtEachQuestionAndAFileThatIsBrokenIsNoAnswer) {
  FolderPods pods(folder_);
  const auto count = [&] {
    std::optional<Result<std::vector<PodRecord>>> got;
    pods.pods_on("n1", "shop", "cart", [&](auto found) { got = std::move(found); });
    return *got ? static_cast<int>((*got)->size()) : -1;
  };
  EXPECT_EQ(count(), 0);
  put("cart.yaml",
      "kind: Pod\nmetadata: {name: cart-1, namespace: shop, uid: u1}\n"
      "spec: {nodeName: n1, serviceAccountName: cart}\n---\n"
      "kind: Pod\nmetadata: {name: cart-2, namespace: shop, uid: u2}\n"
      "spec: {nodeName: n2, serviceAccountName: cart}\n");
  EXPECT_EQ(count(), 1);
  put("other.yaml", "kind: [");
  EXPECT_EQ(count(), -1);
  fs::remove(folder_ + "/other.yaml");
  fs::remove(folder_ + "/cart.yaml");
  EXPECT_EQ(count(), 0);
}

TEST_F(FolderSeamsTest, RootsSurviveARestartAndARotationIsAskedForByAFile) {
  test::FakeClock clock;
  const std::string bundle = folder_ + "/ca.crt";
  const auto run = [&] {
    FolderRoots store(folder_ + "/state", bundle);
    RootKeeper keeper({}, store, clock);
    keeper.run();
    EXPECT_FALSE(keeper.last_error()) << keeper.last_error()->message();
    std::ifstream file(bundle);
    const std::string published((std::istreambuf_iterator<char>(file)), {});
    EXPECT_EQ(published, keeper.roots().bundle_pem());
    return keeper.roots().trusted().size();
  };
  EXPECT_EQ(run(), 1U);
  EXPECT_EQ(run(), 1U);
  std::ofstream(folder_ + "/state/rotate") << "";
  EXPECT_EQ(run(), 2U);
  EXPECT_FALSE(fs::exists(folder_ + "/state/rotate"));
  clock.advance(std::chrono::hours(24));
  EXPECT_EQ(run(), 2U);
  clock.advance(std::chrono::hours(25));
  EXPECT_EQ(run(), 1U);
  struct stat status {};
  ASSERT_EQ(::stat((folder_ + "/state/roots.json").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
}

}  // namespace
}  // namespace keelson::ca
