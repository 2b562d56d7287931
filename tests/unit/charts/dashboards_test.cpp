// The dashboards of charts/keelson against the metrics that the agent really serves: every metric,
// label and closed label value in a query must be in the agent's own exposition.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "admin/metrics.h"
#include "document/parse.h"
#include "mesh_fixture.h"

namespace keelson::admin {
namespace {

using document::Value;
using testing::IsEmpty;
using testing::SizeIs;
using Names = std::set<std::string>;
using Lines = std::vector<std::string>;

// What the scrape itself adds to every series.
const Names kScrapeLabels{"instance", "job", "node"};

struct Family {
  Names labels;
  Names values;  // label=value
};
using Families = std::map<std::string, Family>;

// Each match: the whole of it, then its groups.
std::vector<Lines> all_matches(const std::string& text, const RE2& pattern) {
  std::vector<re2::StringPiece> parts(1 + static_cast<size_t>(pattern.NumberOfCapturingGroups()));
  std::vector<Lines> found;
  size_t at = 0;
  while (pattern.Match(text, at, text.size(), RE2::UNANCHORED, parts.data(),
                       static_cast<int>(parts.size()))) {
    Lines match;
    for (const auto& part : parts) match.emplace_back(part.data(), part.size());
    found.push_back(std::move(match));
    at = static_cast<size_t>(parts[0].end() - text.data());
  }
  return found;
}

// What the agent says while one proxy has ended a connection for each reason.
Families served() {
  MeshFixture mesh;
  mesh.look();
  for (const auto& info : kReasons) mesh.live.proxy.counters.reasons.push_back({info.reason, 1});
  Readiness readiness({});
  std::istringstream lines(
      metrics_text({mesh.live, mesh.plan, readiness, mesh.snapshot.generation, 0}));
  static const RE2 kLabel(R"re((\w+)="([^"]*)")re");
  Families families;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#")) continue;
    Family& family = families[line.substr(0, line.find_first_of("{ "))];
    for (const Lines& label : all_matches(line, kLabel)) {
      family.labels.insert(label[1]);
      family.values.insert(label[0]);
    }
  }
  return families;
}

void collect_queries(const Value& value, Lines& queries) {
  for (const auto& member : value.members()) {
    if (member.key == "expr" || member.key == "definition") queries.push_back(member.value.text());
    collect_queries(member.value, queries);
  }
  for (const Value& item : value.items()) collect_queries(item, queries);
}

// What is wrong with one query, e.g. "keelson_agent_reday is not served".
Lines faults_of(const std::string& query, const Families& families) {
  static const RE2 kSelector(R"re((keelson_\w+)(\{[^}]*\})?)re");
  static const RE2 kMatcher(R"re((\w+)=~?"([^"]*)")re");
  static const RE2 kGrouping(R"re(\bby \(([^)]*)\))re");
  static const RE2 kWord(R"re(\w+)re");
  Lines faults;
  Names labels = kScrapeLabels;
  for (const Lines& selector : all_matches(query, kSelector)) {
    const std::string& name = selector[1];
    const auto family = families.find(name);
    if (family == families.end()) {
      faults.push_back(name + " is not served");
      continue;
    }
    labels.insert(family->second.labels.begin(), family->second.labels.end());
    for (const Lines& matcher : all_matches(selector[2], kMatcher)) {
      if (kScrapeLabels.contains(matcher[1])) continue;
      for (const Lines& value : all_matches(matcher[2], kWord))
        if (!family->second.values.contains(matcher[1] + "=\"" + value[0] + "\""))
          faults.push_back(name + " has no " + matcher[1] + " " + value[0]);
    }
  }
  for (const Lines& grouping : all_matches(query, kGrouping))
    for (const Lines& label : all_matches(grouping[1], kWord))
      if (!labels.contains(label[0])) faults.push_back("no metric of it has the label " + label[0]);
  return faults;
}

struct Dashboard {
  std::string name;
  Value content;
};

std::vector<Dashboard> dashboards() {
  std::vector<Dashboard> all;
  for (const auto& entry : std::filesystem::directory_iterator(KEELSON_DASHBOARDS_DIR)) {
    std::ifstream file(entry.path());
    std::ostringstream text;
    text << file.rdbuf();
    all.push_back({entry.path().filename(), document::parse_json(text.str(), "dashboard").value()});
  }
  return all;
}

TEST(Dashboards, AskForNothingThatIsNotServed) {
  const Families families = served();
  ASSERT_THAT(dashboards(), SizeIs(2));
  for (const auto& [name, content] : dashboards()) {
    Lines queries;
    collect_queries(content, queries);
    EXPECT_GE(queries.size(), 10u) << name;
    for (const auto& query : queries)
      EXPECT_THAT(faults_of(query, families), IsEmpty()) << name << ": " << query;
  }
}

TEST(Dashboards, HaveAFixedUidAndPanelsThatDoNotOverlap) {
  Names uids;
  for (const auto& [name, content] : dashboards()) {
    uids.insert(content.find("uid")->text());
    std::set<std::pair<int64_t, int64_t>> cells;
    for (const Value& panel : content.find("panels")->items()) {
      const Value& at = *panel.find("gridPos");
      const auto number = [&at](const char* key) { return at.find(key)->as_int64().value(); };
      EXPECT_LE(number("x") + number("w"), 24) << name;
      for (int64_t x = number("x"); x < number("x") + number("w"); x++)
        for (int64_t y = number("y"); y < number("y") + number("h"); y++)
          EXPECT_TRUE(cells.insert({x, y}).second) << name << " " << panel.find("title")->text();
    }
  }
  EXPECT_EQ((Names{"keelson-mesh", "keelson-node"}), uids);
}

TEST(DashboardQueries, TellWhatIsNotServed) {
  const Families families = served();
  EXPECT_EQ(Lines{"keelson_agent_reday is not served"},
            faults_of("sum(keelson_agent_reday)", families));
  EXPECT_EQ(Lines{"keelson_datapath_connections_total has no reason straight"},
            faults_of("keelson_datapath_connections_total{reason=~\"direct|straight\"}", families));
  EXPECT_EQ(Lines{"no metric of it has the label reason"},
            faults_of("sum by (reason) (keelson_agent_ready)", families));
}

}  // namespace
}  // namespace keelson::admin
