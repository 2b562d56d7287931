#include "admin/kernel_views.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "made_up_kernel.h"
#include "mesh_fixture.h"

namespace keelson::admin {
namespace {

using Json = nlohmann::json;

Json with_pin(const Json& links, const std::string& pin) {
  for (const Json& link : links)
    if (link["pin"] == pin) return link;
  return {};
}

TEST(KernelViews, ProgramsSayHowManyPlacesRunThem) {
  const MadeUpKernel kernel;
  const Json answer = Json::parse(programs_json(kernel.program_list, kernel.link_list));
  EXPECT_EQ(answer["runs_counted"], true);
  EXPECT_EQ(answer["programs"][0], Json::parse(R"({"name":"ks_connect4","id":11,
      "type":"cgroup_sock_addr","links":1,"run_count":4,"run_time_ns":2000,"memory_bytes":8192})"));
  EXPECT_EQ(answer["programs"][1]["links"], 3);
}

struct LinkCase {
  const char* pin;
  const char* program;
  const char* at;
  const char* pod;
  const char* state;
};

TEST(KernelViews, EachLinkIsJoinedWithThePodThatItBelongsTo) {
  MeshFixture mesh;
  mesh.facts.pods[0].host_ifindex = 31;
  const MadeUpKernel kernel;
  const Json links =
      Json::parse(links_json(mesh.look(), kernel.program_list, kernel.link_list))["links"];
  ASSERT_EQ(links.size(), kernel.link_list.size());
  for (const LinkCase& wanted : {
           LinkCase{"link_connect4", "ks_connect4", "cgroup v2 root", "", "attached"},
           LinkCase{"lookup_0", "ks_sk_lookup", "netns 4026532001", "shop/web-1", "attached"},
           LinkCase{"lookup_1", "ks_sk_lookup", "nothing any more", "shop/pay-1", "target_gone"},
           LinkCase{"lookup_9", "ks_sk_lookup", "netns 4026532009", "", "pod_gone"},
           LinkCase{"source_31", "ks_source", "interface veth31", "shop/web-1", "attached"},
           // A filter has no pin; its program is another agent's.
           LinkCase{"", "", "interface 32", "", "pod_gone"},
       }) {
    const Json link = with_pin(links, wanted.pin);
    EXPECT_EQ(link["program"], wanted.program) << wanted.pin;
    EXPECT_EQ(link["at"], wanted.at) << wanted.pin;
    EXPECT_EQ(link["pod"], wanted.pod) << wanted.pin;
    EXPECT_EQ(link["state"], wanted.state) << wanted.pin;
  }
}

TEST(KernelViews, ALinkOfAPodThatLeavesSaysSoAndNamesItAsLongAsItsObjectIsThere) {
  MeshFixture mesh;
  mesh.facts.open_pods = {mesh.facts.pods[0]};
  mesh.facts.pods.erase(mesh.facts.pods.begin());
  const MadeUpKernel kernel;
  const auto lookup = [&] {
    return with_pin(
        Json::parse(links_json(mesh.look(), kernel.program_list, kernel.link_list))["links"],
        "lookup_0");
  };
  EXPECT_EQ(lookup()["state"], "leaving");
  EXPECT_EQ(lookup()["pod"], "shop/web-1");
  mesh.live.enrolments[0].state = EnrolmentState::kJoining;
  EXPECT_EQ(lookup()["state"], "joining");
  mesh.snapshot.pods.erase(mesh.web->meta.key);
  EXPECT_EQ(lookup()["pod"], "uid-web-1");
}

TEST(KernelViews, MapsThatNobodyCanCountHaveNoEntries) {
  const Json maps = Json::parse(maps_json(MadeUpKernel().map_list))["maps"];
  EXPECT_EQ(maps[0]["entries"], 2);
  EXPECT_EQ(maps[0]["entries_max"], 1025);
  EXPECT_FALSE(maps[1].contains("entries"));
}

TEST(KernelViews, RowsAreReadableAndBounded) {
  MeshFixture mesh;
  const MeshView& view = mesh.look();
  compile::Rows pods;
  for (const auto& [row, value] : mesh.plan.rows)
    if (row.map == compile::MapId::kPod) pods.insert_or_assign(row, value);
  const Json answer = Json::parse(rows_json(view, "ks_pod", pods));
  EXPECT_EQ(answer["count"], pods.size());
  bool named = false;
  for (const Json& row : answer["rows"])
    named = named || row.get<std::string>().starts_with("pod 'shop/web-1' cookie=101 ");
  EXPECT_TRUE(named) << answer;
  compile::Rows many;
  for (uint32_t i = 0; i < kRowsShownMax + 5; ++i)
    many.insert_or_assign({compile::MapId::kInterface, compile::bytes_of(i)},
                          compile::bytes_of(ks_interface{1}));
  const Json bounded = Json::parse(rows_json(view, "ks_interface", many));
  EXPECT_EQ(bounded["count"], kRowsShownMax + 5);
  EXPECT_EQ(bounded["rows"].size(), kRowsShownMax);
}

}  // namespace
}  // namespace keelson::admin
