// conflists/ holds what CNIs install, each with what the runtime is to follow instead (*.golden).
// KEELSON_UPDATE_GOLDEN=1 writes the golden files anew.
#include "cni/conflist.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace keelson::cni {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const PluginSettings kSettings{"/run/keelson/cni.sock", 20, {"kube-system", "keelson-system"}};

std::string read(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class ConflistGolden : public testing::TestWithParam<const char*> {};

TEST_P(ConflistGolden, IsThePrimaryWithThePluginChainedLast) {
  const fs::path folder = fs::path(KEELSON_TEST_FOLDER) / "conflists";
  const std::string primary = read(folder / GetParam());
  const auto chained = chain_after(GetParam(), primary, kSettings);
  ASSERT_TRUE(chained) << chained.error().message();
  const fs::path golden = folder / (std::string(GetParam()) + ".golden");
  if (std::getenv("KEELSON_UPDATE_GOLDEN") != nullptr) std::ofstream(golden) << *chained;
  EXPECT_EQ(*chained, read(golden));
}

TEST_P(ConflistGolden, ChangesNothingElse) {
  using json = nlohmann::json;
  const fs::path folder = fs::path(KEELSON_TEST_FOLDER) / "conflists";
  const std::string name = GetParam();
  const json before = json::parse(read(folder / name));
  json after = json::parse(*chain_after(name, before.dump(), kSettings));
  EXPECT_EQ(after["plugins"].back()["type"], "keelson-cni");
  after["plugins"].erase(after["plugins"].size() - 1);
  if (name.ends_with(".conflist"))
    EXPECT_EQ(after, before);
  else
    EXPECT_EQ(after["plugins"], json::array({before}));
}

INSTANTIATE_TEST_SUITE_P(All, ConflistGolden,
                         testing::Values("05-cilium.conflist", "10-bridge.conflist",
                                         "10-calico.conflist", "10-flannel.conflist",
                                         "10-kindnet.conflist", "20-single.conf"),
                         [](const auto& each) {
                           std::string name(each.param);
                           name = name.substr(3, name.find('.') - 3);
                           return name;
                         });

TEST(Conflist, AnEntryOfOursInThePrimaryIsReplacedNotDoubled) {
  const auto once = chain_after("a.conflist", R"({"cniVersion":"1.0.0","name":"n","plugins":[
      {"type":"bridge"},{"type":"keelson-cni","timeoutSeconds":1},{"type":"portmap"}]})",
                                kSettings);
  ASSERT_TRUE(once);
  const auto plugins = nlohmann::json::parse(*once)["plugins"];
  ASSERT_EQ(plugins.size(), 3u);
  EXPECT_EQ(plugins[1]["type"], "portmap");
  EXPECT_EQ(plugins[2]["timeoutSeconds"], 20);
}

TEST(Conflist, ThePrimaryIsTheFirstByNameThatIsNotOurs) {
  EXPECT_EQ(primary_of({"87-podman.conflist", "00-keelson.conflist", "10-a.conf", "README"}),
            "10-a.conf");
  EXPECT_EQ(primary_of({"00-multus.conf", "00-keelson.conflist"}), "00-multus.conf");
  EXPECT_EQ(primary_of({".00-keelson.conflist.tmp", "calico-kubeconfig", "05-x.conflist.cilium_bak",
                        "10-net.json"}),
            "10-net.json");
  EXPECT_EQ(primary_of({"00-keelson.conflist"}), "");
}

struct Unusable {
  const char* file;
  const char* text;
  Reason reason;
  const char* says;
};

class ConflistRefuses : public testing::TestWithParam<Unusable> {};

TEST_P(ConflistRefuses, WithFileAndFix) {
  const auto chained = chain_after(GetParam().file, GetParam().text, kSettings);
  ASSERT_FALSE(chained);
  EXPECT_EQ(chained.error().reason, GetParam().reason);
  EXPECT_THAT(chained.error().message(), HasSubstr(GetParam().file));
  EXPECT_THAT(chained.error().message(), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    All, ConflistRefuses,
    testing::Values(
        Unusable{"a.conflist", "", Reason::file_unreadable, "no JSON object"},
        Unusable{"a.conflist", R"({"cniVersion":"1.0)", Reason::file_unreadable, "no JSON object"},
        Unusable{"a.conflist", "[]", Reason::file_unreadable, "no JSON object"},
        Unusable{"a.conf", R"({"cniVersion":"1.0.0","name":"n","plugins":[{"type":"x"}]})",
                 Reason::missing_field, "no type"},
        Unusable{"a.conflist", R"({"cniVersion":"1.0.0","plugins":[{"type":"x"}]})",
                 Reason::missing_field, "no name"},
        Unusable{"a.conflist", R"({"cniVersion":"1.0.0","name":"n"})", Reason::missing_field,
                 "no list of plugins"},
        Unusable{"a.conflist", R"({"cniVersion":"1.0.0","name":"n","plugins":[]})",
                 Reason::missing_field, "no list of plugins"},
        Unusable{"a.conflist",
                 R"({"cniVersion":"1.0.0","name":"n","plugins":[{"type":"keelson-cni"}]})",
                 Reason::missing_field, "names no plugin but"},
        Unusable{"a.conflist", R"({"name":"n","plugins":[{"type":"x"}]})", Reason::bad_value,
                 "cniVersion ''"},
        Unusable{"a.conflist", R"({"cniVersion":"0.2.0","name":"n","plugins":[{"type":"x"}]})",
                 Reason::bad_value, "cniVersion '0.2.0'"}));

}  // namespace
}  // namespace keelson::cni
