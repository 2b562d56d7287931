#include "cni/conflist_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "cni/node_file.h"
#include "support/fake_clock.h"

namespace keelson::cni {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr char kBridge[] =
    R"({"cniVersion":"1.0.0","name":"one","plugins":[{"type":"bridge"},{"type":"portmap"}]})";
constexpr char kOther[] = R"({"cniVersion":"1.0.0","name":"two","plugins":[{"type":"other"}]})";

class ConflistKeeperTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = "/tmp/keelson-conflist-XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    folder = path;
  }
  void TearDown() override { fs::remove_all(folder); }

  void start() {
    keeper.emplace(loop, clock,
                   KeeperOptions{.folder = folder,
                                 .plugin = {"/run/keelson/cni.sock", 20, {"kube-system"}},
                                 .settle = std::chrono::milliseconds(1),
                                 .watch_again = std::chrono::milliseconds(5)});
    keeper->start();
  }
  void put(const std::string& name, const std::string& text) {
    std::ofstream(folder + "/" + name) << text;
  }
  std::string ours() const {
    std::ifstream file(folder + "/00-keelson.conflist");
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  std::string network() const {
    const auto list = nlohmann::json::parse(ours(), nullptr, false);
    return list.is_object() ? list["name"].get<std::string>() : std::string();
  }
  // Runs the loop until it holds; a test that waits in vain ends by ctest's limit.
  bool runs_until(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    io::Timer tick(loop, [] {});
    tick.start_repeating(std::chrono::milliseconds(2));
    while (!holds() && std::chrono::steady_clock::now() < deadline) loop.run_once();
    return holds();
  }

  std::string folder;
  io::EventLoop loop;
  test::FakeClock clock;
  std::optional<ConflistKeeper> keeper;
};

TEST_F(ConflistKeeperTest, WritesItsFileAtOnceAndLeavesThePrimaryAlone) {
  put("10-bridge.conflist", kBridge);
  start();
  EXPECT_EQ(network(), "one");
  EXPECT_EQ(fs::status(folder + "/00-keelson.conflist").permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_FALSE(keeper->problem());
  EXPECT_EQ(*read_node_file(folder + "/10-bridge.conflist"), kBridge);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 2);  // no temporary file is left
}

TEST_F(ConflistKeeperTest, WithoutAPrimaryThereIsNoFileUntilOneComes) {
  start();
  EXPECT_THAT(keeper->problem()->message(), HasSubstr("install a CNI"));
  EXPECT_EQ(ours(), "");
  put("10-bridge.conflist", kBridge);
  EXPECT_TRUE(runs_until([&] { return network() == "one"; }));
  EXPECT_FALSE(keeper->problem());
}

TEST_F(ConflistKeeperTest, FollowsAChangedPrimaryAndOneThatSortsBefore) {
  put("10-bridge.conflist", kBridge);
  start();
  put("10-bridge.conflist", kOther);
  EXPECT_TRUE(runs_until([&] { return network() == "two"; }));
  put("05-first.conflist", kBridge);
  EXPECT_TRUE(runs_until([&] { return network() == "one"; }));
  EXPECT_EQ(keeper->repairs(), 0u);
}

TEST_F(ConflistKeeperTest, RepairsItsFileWhenDeletedOrChanged) {
  put("10-bridge.conflist", kBridge);
  start();
  const std::string whole = ours();
  fs::remove(folder + "/00-keelson.conflist");
  EXPECT_TRUE(runs_until([&] { return ours() == whole; }));
  EXPECT_EQ(keeper->repairs(), 1u);
  clock.advance(std::chrono::minutes(5));
  put("00-keelson.conflist", kOther);
  EXPECT_TRUE(runs_until([&] { return ours() == whole; }));
  EXPECT_EQ(keeper->repairs(), 2u);
}

TEST_F(ConflistKeeperTest, AFightCostsLittle) {
  put("10-bridge.conflist", kBridge);
  start();
  fs::remove(folder + "/00-keelson.conflist");
  EXPECT_TRUE(runs_until([&] { return keeper->repairs() == 1; }));
  fs::remove(folder + "/00-keelson.conflist");  // the clock stands still
  EXPECT_TRUE(runs_until([&] { return keeper->problem().has_value(); }));
  EXPECT_THAT(keeper->problem()->message(), HasSubstr("cni.exclusive=false"));
  EXPECT_EQ(keeper->repairs(), 1u);
  clock.advance(std::chrono::seconds(3));
  put("trigger", "again");
  EXPECT_TRUE(runs_until([&] { return keeper->repairs() == 2; }));
  EXPECT_FALSE(keeper->problem());
}

TEST_F(ConflistKeeperTest, AnUnreadablePrimaryChangesNothing) {
  put("10-bridge.conflist", kBridge);
  start();
  put("10-bridge.conflist", "{\"cniVersion\":");
  EXPECT_TRUE(runs_until([&] { return keeper->problem().has_value(); }));
  EXPECT_THAT(keeper->problem()->message(), HasSubstr("10-bridge.conflist"));
  EXPECT_EQ(network(), "one");
}

TEST_F(ConflistKeeperTest, GoesWithTheLastPrimary) {
  put("10-bridge.conflist", kBridge);
  start();
  fs::remove(folder + "/10-bridge.conflist");
  EXPECT_TRUE(runs_until([&] { return !fs::exists(folder + "/00-keelson.conflist"); }));
}

TEST_F(ConflistKeeperTest, SurvivesTheLossOfTheFolder) {
  put("10-bridge.conflist", kBridge);
  start();
  fs::rename(folder, folder + "-old");
  EXPECT_TRUE(runs_until([&] { return keeper->problem().has_value(); }));
  fs::remove_all(folder + "-old");
  fs::create_directory(folder);
  put("10-other.conflist", kOther);
  EXPECT_TRUE(runs_until([&] { return network() == "two"; }));
}

TEST_F(ConflistKeeperTest, StaysWhenTheAgentEndsAndGoesWhenUninstalled) {
  put("10-bridge.conflist", kBridge);
  start();
  keeper.reset();
  EXPECT_EQ(network(), "one");
  start();
  EXPECT_EQ(keeper->writes(), 0u);  // nothing has changed
  EXPECT_TRUE(keeper->remove());
  EXPECT_FALSE(fs::exists(folder + "/00-keelson.conflist"));
  EXPECT_EQ(*read_node_file(folder + "/10-bridge.conflist"), kBridge);
}

// The other agent is one that this one replaces: its keeper repairs.
TEST_F(ConflistKeeperTest, KeptAwayTheFileGoesAlsoWhenAnotherAgentWritesItAgain) {
  put("10-bridge.conflist", kBridge);
  start();
  const std::string written = ours();
  keeper->keep_away();
  EXPECT_FALSE(fs::exists(folder + "/00-keelson.conflist"));
  put("00-keelson.conflist", written);
  EXPECT_TRUE(runs_until([&] { return !fs::exists(folder + "/00-keelson.conflist"); }));
  put("10-bridge.conflist", kOther);  // a changed primary brings nothing back
  put("00-keelson.conflist", "{half");
  EXPECT_TRUE(runs_until([&] { return !fs::exists(folder + "/00-keelson.conflist"); }));
  EXPECT_FALSE(keeper->problem());
  EXPECT_EQ(*read_node_file(folder + "/10-bridge.conflist"), kOther);
}

TEST_F(ConflistKeeperTest, KeptAwayFromTheStartItLeavesWhatIsNotOurs) {
  put("00-keelson.conflist", kOther);
  keeper.emplace(loop, clock, KeeperOptions{.folder = folder, .plugin = {}});
  keeper->keep_away();
  EXPECT_EQ(network(), "two");
  EXPECT_FALSE(keeper->problem());
  EXPECT_EQ(keeper->writes(), 0u);
}

TEST_F(ConflistKeeperTest, WithoutItsFolderThereIsNothingToKeepAway) {
  fs::remove_all(folder);
  keeper.emplace(loop, clock, KeeperOptions{.folder = folder, .plugin = {}});
  keeper->keep_away();
  EXPECT_FALSE(keeper->problem());
}

TEST_F(ConflistKeeperTest, StoppedItLeavesTheFileToAnotherAgent) {
  put("10-bridge.conflist", kBridge);
  start();
  keeper->stop();
  fs::remove(folder + "/00-keelson.conflist");
  // Due after all that the keeper would have waited for.
  bool is_late = false;
  io::Timer late(loop, [&] { is_late = true; });
  late.start(std::chrono::milliseconds(50));
  EXPECT_TRUE(runs_until([&] { return is_late; }));
  EXPECT_EQ(ours(), "");
}

// The runtime takes the first by name.
TEST_F(ConflistKeeperTest, APrimaryThatSortsBeforeItsFileIsAProblem) {
  put("00-cilium.conflist", kBridge);
  start();
  ASSERT_TRUE(keeper->problem());
  EXPECT_THAT(keeper->problem()->message(),
              HasSubstr("/00-cilium.conflist sorts before 00-keelson.conflist"));
  fs::rename(folder + "/00-cilium.conflist", folder + "/05-cilium.conflist");
  EXPECT_TRUE(runs_until([&] { return !keeper->problem(); }));
  EXPECT_EQ(network(), "one");
}

// Another agent's may be in the middle of its write.
TEST_F(ConflistKeeperTest, OfTheTemporaryFilesOnlyLeftOnesOfItsOwnAreRemoved) {
  put("10-bridge.conflist", kBridge);
  const std::string names[] = {".00-keelson.conflist.aB3xyz.tmp", ".10-bridge.conflist.aB3xyz.tmp",
                               ".00-keelson.conflist.young1.tmp", ".keelson-cni.aB3xyz.tmp"};
  for (const std::string& name : names) {
    put(name, "half");
    if (name.find("young") != std::string::npos) continue;
    fs::last_write_time(folder + "/" + name,
                        fs::file_time_type::clock::now() - std::chrono::minutes(2));
  }
  start();
  put("image-plugin", "plugin");
  EXPECT_TRUE(install_plugin(folder + "/image-plugin", folder + "/keelson-cni"));
  EXPECT_FALSE(fs::exists(folder + "/" + names[0]));
  EXPECT_TRUE(fs::exists(folder + "/" + names[1]));
  EXPECT_TRUE(fs::exists(folder + "/" + names[2]));
  EXPECT_FALSE(fs::exists(folder + "/" + names[3]));
  EXPECT_EQ(network(), "one");
}

// One fixed name would be opened, removed and renamed by both.
TEST_F(ConflistKeeperTest, WritersOfOneFileDoNotMeet) {
  const std::string path = folder + "/file";
  const auto write = [&](char byte) {
    for (int i = 0; i < 100; ++i) {
      const auto written = replace_node_file(path, std::string(5000, byte), 0600);
      EXPECT_TRUE(written) << written.error().message();
    }
  };
  std::thread other([&] { write('a'); });
  write('b');
  other.join();
  const std::string whole = read_node_file(path).value();
  EXPECT_EQ(whole, std::string(5000, whole.at(0)));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 1);
}

TEST_F(ConflistKeeperTest, ThePluginIsReplacedWholeAndOnlyWhenItIsAnother) {
  put("image-plugin", "first");
  const std::string from = folder + "/image-plugin";
  const std::string to = folder + "/keelson-cni";
  EXPECT_EQ(install_plugin(from, to).value(), true);
  EXPECT_NE(fs::status(to).permissions() & fs::perms::owner_exec, fs::perms::none);
  EXPECT_EQ(install_plugin(from, to).value(), false);
  put("image-plugin", "second");
  EXPECT_EQ(install_plugin(from, to).value(), true);
  EXPECT_EQ(*read_node_file(to), "second");
  const auto missing = install_plugin(folder + "/none", to);
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message(), HasSubstr(folder + "/none"));
  EXPECT_EQ(*read_node_file(to), "second");
}

}  // namespace
}  // namespace keelson::cni
