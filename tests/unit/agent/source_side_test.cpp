#include "source_side.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keelson {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;

const MonotonicTime kNow = MonotonicTime(std::chrono::hours(2));
const WallTime kWall = WallTime(std::chrono::hours(24 * 365));  // 1971-01-01T00:00:00Z

source::ReflectorState followed(std::string_view kind) {
  source::ReflectorState state;
  state.kind = kind;
  state.heard_at = kNow - seconds(3);
  return state;
}

Error error_of(Reason reason) {
  return {reason, ErrorSource::kKube, true, 0, "watch pods"};
}

TEST(SourceFindings, NothingIsSaidWhileAllIsWell) {
  source::KubeState state;
  state.kinds = {followed("Pod"), followed("Service")};
  EXPECT_THAT(source_findings(state, "https://kube", kNow, kWall), IsEmpty());
}

TEST(SourceFindings, AnAwayServerIsToldWithSinceWhenAndWhatServes) {
  source::KubeState state;
  state.is_listed = true;
  state.away_since = kNow - seconds(40);
  state.error = error_of(Reason::cannot_reach);
  const auto known = source_findings(state, "https://kube", kNow, kWall);
  ASSERT_EQ(known.size(), 1u);
  EXPECT_EQ(known[0].severity, model::Severity::kWarning);
  EXPECT_EQ(known[0].reason, Reason::cannot_reach);
  EXPECT_THAT(known[0].message,
              HasSubstr("https://kube does not serve this agent since 1970-12-31T23:59:20Z (40 s"));
  EXPECT_THAT(known[0].message, HasSubstr("keeps serving"));
  state.is_listed = false;
  EXPECT_EQ(source_findings(state, "https://kube", kNow, kWall)[0].severity,
            model::Severity::kError);
}

TEST(SourceFindings, AForbiddenKindIsNamedAlone) {
  source::KubeState state;
  state.kinds = {followed("Pod"), followed("Service")};
  state.kinds[1].failing_since = kNow - seconds(9);
  state.kinds[1].error = error_of(Reason::api_forbidden);
  const auto findings = source_findings(state, "https://kube", kNow, kWall);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].object, "Service");
  EXPECT_THAT(findings[0].fix, HasSubstr("list and watch"));
}

TEST(SourceState, CountsAreHandedOnPerKind) {
  source::KubeState state;
  state.kinds = {followed("Pod")};
  state.kinds[0].relists = 2;
  state.kinds[0].errors[Reason::api_version_expired] = 3;
  const admin::SourceState out = source_state(state, kNow);
  ASSERT_EQ(out.kinds.size(), 1u);
  EXPECT_TRUE(out.is_reachable);
  EXPECT_EQ(out.kinds[0].relists, 2u);
  EXPECT_EQ(out.kinds[0].silence, seconds(3));
  EXPECT_EQ(out.kinds[0].errors.at(0).second, 3u);
}

}  // namespace
}  // namespace keelson
