// The NodeState CRD against the agent: what the agent writes is what the schema stores, every field
// of the schema is one that the agent reads, and both refuse the same objects.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "document/parse.h"
#include "model/decode.h"
#include "model/node_state_yaml.h"
#include "schema.h"

namespace keelson::crds {
namespace {

using document::Value;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string read(const std::string& name) {
  std::ifstream file(std::string(KEELSON_CRDS_DIR) + "/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<Value> documents(const std::string& text) {
  auto parsed = document::parse_yaml(text, "test");
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message());
  return parsed ? *parsed : std::vector<Value>{};
}

const Value& at(const Value& value, std::initializer_list<std::string_view> path) {
  const Value* found = &value;
  for (const auto name : path) found = found->find(name);
  return *found;
}

class NodeStateCrd : public testing::Test {
 protected:
  const Value& spec() const { return at(definition_, {"spec"}); }
  const Value& schema() const {
    return at(spec(), {"versions"}).items()[0].find("schema")->members()[0].value;
  }
  const Value& pod_schema() const { return at(schema(), {"properties", "pods", "items"}); }

 private:
  Value definition_ = documents(read("keelson.dev_nodestates.yaml")).at(0);
};

model::NodeState full_state() {
  model::NodeState state;
  state.meta.key = {model::Kind::kNodeState, "", "node1"};
  using enum model::PodState;
  for (const auto pod_state : {kJoining, kReady, kLeaving}) {
    model::NodeStatePod pod{"uid", "shop", "web-1", "web", {}, pod_state};
    for (const char* text : {"10.1.2.3", "fd00:10:244:1::ffff"})
      pod.addresses.push_back(*IpAddress::parse(text));
    state.pods.push_back(pod);
  }
  return state;
}

TEST_F(NodeStateCrd, IsClusterScopedAndNamedAsItsPlural) {
  EXPECT_EQ("Cluster", at(spec(), {"scope"}).text());
  EXPECT_EQ("keelson.dev", at(spec(), {"group"}).text());
  EXPECT_EQ("nodestates", at(spec(), {"names", "plural"}).text());
  EXPECT_EQ("v1alpha1", at(spec(), {"versions"}).items()[0].find("name")->text());
}

TEST_F(NodeStateCrd, EveryFieldIsDescribedTypedAndBounded) {
  EXPECT_THAT(schema_faults(schema()), IsEmpty());
}

TEST_F(NodeStateCrd, StoresWhatTheAgentWrites) {
  const auto written = documents(model::to_yaml(full_state()));
  EXPECT_THAT(refusals(schema(), written.at(0)), IsEmpty());
  std::vector<std::string> fields, described;
  for (const auto& member : written[0].find("pods")->items()[0].members())
    fields.push_back(member.key);
  for (const auto& member : pod_schema().find("properties")->members())
    described.push_back(member.key);
  EXPECT_EQ(fields, described);
}

TEST_F(NodeStateCrd, ValidExamplesAreFineForBoth) {
  const std::string text = read("examples/nodestate.yaml");
  for (const Value& object : documents(text)) EXPECT_THAT(refusals(schema(), object), IsEmpty());
  const model::DecodedFile decoded = model::decode_file("nodestate.yaml", text);
  EXPECT_THAT(decoded.findings, IsEmpty());
  ASSERT_EQ(1u, decoded.objects.size());
  EXPECT_TRUE(decoded.objects[0].object);
}

TEST_F(NodeStateCrd, RefusedExamplesAreRefusedByBoth) {
  const std::vector<Value> refused = documents(read("examples/nodestate.refused.yaml"));
  ASSERT_EQ(5u, refused.size());
  for (const Value& object : refused) {
    const std::string name = at(object, {"metadata", "name"}).text();
    EXPECT_FALSE(refusals(schema(), object).empty()) << name;
    const auto decoded = model::decode_file("refused.yaml", object.to_json());
    ASSERT_EQ(1u, decoded.objects.size()) << name;
    EXPECT_FALSE(decoded.objects[0].object) << name;
  }
}

TEST(Schema, TellsWhatIsWrongAndWhere) {
  const auto schema = documents(
      "type: object\nproperties:\n  pods:\n    type: array\n    maxItems: 1\n    items:\n"
      "      {type: string, enum: [a]}\n");
  const auto object = documents("pods: [a, b]\nmore: 1\n");
  EXPECT_THAT(refusals(schema[0], object[0]),
              ElementsAre("pods: has too many items", "pods[1]: 'b' is not one of its values",
                          "more: is unknown"));
  EXPECT_THAT(schema_faults(schema[0]).at(1), HasSubstr("pods: no description"));
  const auto metadata = documents(
      "type: object\ndescription: d\nproperties:\n  metadata: {type: object, description: d}\n");
  EXPECT_THAT(schema_faults(metadata[0]), ElementsAre("metadata: says more than its type"));
}

}  // namespace
}  // namespace keelson::crds
