// Every <case>.in.yaml in this folder, read as one file of manifests, against <case>.plan.golden:
// the whole way from text to kernel rows. KEELSON_UPDATE_GOLDEN=1 writes the golden files anew.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "compile/compile.h"
#include "compile/plan_text.h"
#include "model/store.h"

namespace keelson::compile {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// This node is node-a. Its pods are enrolled with what their objects say, in the order of keys.
NodeFacts facts_of(const model::Snapshot& snapshot) {
  NodeFacts facts;
  facts.node_name = "node-a";
  facts.netns_cookie = 1;
  for (const auto& [key, pod] : snapshot.pods) {
    if (pod->node_name != facts.node_name || pod->host_network || !model::is_meshed(snapshot, *pod))
      continue;
    const auto index = static_cast<uint32_t>(facts.pods.size());
    LocalPod local;
    local.uid = pod->meta.uid;
    local.netns_cookie = 100 + index;
    local.slot = index;
    local.host_ifindex = 10 + index;
    local.addresses = local.declared = pod->addresses;
    facts.pods.push_back(std::move(local));
  }
  return facts;
}

std::string plan_of(const fs::path& input) {
  model::Store store;
  store.apply(model::decode_file(input.filename().string(), read(input)));
  const auto snapshot = store.snapshot();
  Plan plan = compile(*snapshot, facts_of(*snapshot));
  const auto found = store.findings();
  plan.findings.insert(plan.findings.begin(), found.begin(), found.end());
  return plan_text(plan);
}

std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(KEELSON_GOLDEN_DIR)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".in.yaml")) names.push_back(name.substr(0, name.size() - 8));
  }
  std::sort(names.begin(), names.end());
  return names;
}

class CompileGolden : public testing::TestWithParam<std::string> {};

TEST_P(CompileGolden, GivesThePlanOfTheGoldenFile) {
  const fs::path folder = KEELSON_GOLDEN_DIR;
  const std::string plan = plan_of(folder / (GetParam() + ".in.yaml"));
  const fs::path golden = folder / (GetParam() + ".plan.golden");
  if (std::getenv("KEELSON_UPDATE_GOLDEN") != nullptr) std::ofstream(golden) << plan;
  EXPECT_EQ(plan, read(golden));
}

INSTANTIATE_TEST_SUITE_P(Cases, CompileGolden, testing::ValuesIn(cases()),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace keelson::compile
