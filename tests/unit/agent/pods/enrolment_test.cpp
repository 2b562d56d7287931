#include "pods/enrolment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "fake_pods.h"

namespace keelson::pods {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

WantedPod wanted(const std::string& uid, const std::string& path,
                 const std::string& address = "10.0.0.1") {
  return {uid, "shop/" + uid, path, {*IpAddress::parse(address)}};
}

const auto kRowsGone = [](const compile::LocalPod&) { return true; };
const auto kRowsThere = [](const compile::LocalPod&) { return false; };

class EnrolmentTest : public testing::Test {
 protected:
  EnrolmentTest() {
    hold_.netns["/ns/a"] = {100, {"10.0.0.1", "fe80::1"}, 11};
    hold_.netns["/ns/b"] = {200, {"10.0.0.2"}, 12};
  }
  // What the rollout does between the two halves of joining.
  bool open_and_attach() {
    compile::Rows applied;
    for (const compile::LocalPod& pod : enrolment_.open_pods())
      for (const IpAddress& address : pod.addresses)
        applied[{compile::MapId::kAddress, compile::bytes_of(address.raw())}] =
            compile::bytes_of(ks_address{pod.netns_cookie, 0, KS_ADDRESS_OPEN, 0});
    return enrolment_.attach_opened(
        applied, [this](const std::string& uid) { return !without_identity_.contains(uid); });
  }
  bool settle(const std::vector<WantedPod>& pods) {
    const bool changed = enrolment_.reconcile(pods);
    return open_and_attach() || changed;
  }

  // As an earlier agent left pod a behind: rows, hooks in slot 7, and hold knows it.
  void restart_with_a() {
    ks_pod row{};
    row.slot = 7;
    row.grace_until_ns = 77;
    compile::Rows rows;
    rows[{compile::MapId::kPod, compile::bytes_of(uint64_t{100})}] = compile::bytes_of(row);
    enrolment_.recover(rows);
    hooks_.lookups[7] = "/ns/a";
    hooks_.listeners.insert(7);
    hooks_.sources.insert(11);
    hold_.registered["a"] = "/ns/a";
  }

  const WantedPod a_ = wanted("a", "/ns/a");
  const WantedPod b_ = wanted("b", "/ns/b", "10.0.0.2");
  test::FakeClock clock_;
  std::set<std::string> without_identity_;
  FakeHold hold_;
  FakeHooks hooks_;
  Enrolment enrolment_{hold_, hooks_, clock_};
};

TEST_F(EnrolmentTest, enrols_a_pod_and_tells_its_facts_with_the_lookup_attached_last) {
  EXPECT_TRUE(settle({a_}));
  const auto pods = enrolment_.pods();
  ASSERT_EQ(pods.size(), 1U);
  EXPECT_EQ(pods[0].uid, "a");
  EXPECT_EQ(pods[0].netns_cookie, 100U);
  EXPECT_EQ(pods[0].slot, 0U);
  EXPECT_EQ(pods[0].host_ifindex, 11U);
  EXPECT_EQ(pods[0].addresses.size(), 2U);
  EXPECT_EQ(pods[0].grace_until_ns, 3630ULL * 1000 * 1000 * 1000);
  EXPECT_THAT(hooks_.calls, ElementsAre("listeners 0", "source 11", "lookup 0"));
  EXPECT_TRUE(enrolment_.problems().empty());
  EXPECT_NE(enrolment_.sock_diag("a"), nullptr);
  EXPECT_FALSE(settle({a_})) << "nothing changed";
}

TEST_F(EnrolmentTest, one_pods_failure_is_named_retried_and_does_not_stop_the_others) {
  const WantedPod broken = wanted("a", "/ns/none");
  EXPECT_TRUE(settle({broken, b_}));
  ASSERT_EQ(enrolment_.pods().size(), 1U);
  ASSERT_EQ(enrolment_.problems().size(), 1U);
  EXPECT_EQ(enrolment_.problems()[0].error.reason, Reason::netns_invalid);
  EXPECT_EQ(enrolment_.problems()[0].name, "shop/a");
  hold_.netns["/ns/none"] = {300, {"10.0.0.1"}, 0};
  EXPECT_FALSE(enrolment_.retry()) << "too early";
  EXPECT_EQ(*enrolment_.next_retry(), clock_.now() + seconds(1));
  clock_.advance(seconds(1));
  EXPECT_TRUE(enrolment_.retry());
  open_and_attach();
  EXPECT_EQ(enrolment_.pods().size(), 2U);
  EXPECT_TRUE(enrolment_.problems().empty());
  EXPECT_FALSE(enrolment_.next_retry());
}

TEST_F(EnrolmentTest, pauses_grow_up_to_their_limit) {
  settle({wanted("a", "/ns/none")});
  for (const int expected : {1, 2, 4, 8, 16, 30, 30}) {
    EXPECT_EQ(*enrolment_.next_retry() - clock_.now(), seconds(expected));
    clock_.advance(seconds(expected));
    enrolment_.retry();
  }
}

TEST_F(EnrolmentTest, refuses_a_pod_whose_declared_address_is_on_no_interface) {
  EXPECT_FALSE(settle({wanted("a", "/ns/a", "10.9.9.9")}));
  ASSERT_EQ(enrolment_.problems().size(), 1U);
  EXPECT_EQ(enrolment_.problems()[0].error.reason, Reason::address_mismatch);
  EXPECT_THAT(enrolment_.problems()[0].error.context, testing::HasSubstr("10.9.9.9"));
  EXPECT_THAT(hooks_.calls, IsEmpty());
}

TEST_F(EnrolmentTest, a_second_pod_in_the_same_namespace_is_refused) {
  settle({a_});
  hold_.netns["/ns/thief"] = hold_.netns["/ns/a"];
  settle({a_, wanted("thief", "/ns/thief")});
  ASSERT_EQ(enrolment_.pods().size(), 1u);
  EXPECT_EQ(enrolment_.pods()[0].uid, "a");
  ASSERT_EQ(enrolment_.problems().size(), 1u);
  EXPECT_EQ(enrolment_.problems()[0].error.reason, Reason::netns_invalid);
}

TEST_F(EnrolmentTest, a_pod_that_cannot_be_attached_leaves_nothing_behind) {
  hooks_.refuse_lookup = "/ns/a";
  settle({a_, b_});
  EXPECT_THAT(hooks_.calls, testing::Contains("release 0"));
  ASSERT_EQ(enrolment_.pods().size(), 1U);
  EXPECT_EQ(enrolment_.pods()[0].uid, "b");
  EXPECT_THAT(enrolment_.open_pods(), IsEmpty());
  hooks_.refuse_lookup.clear();
  clock_.advance(seconds(1));
  enrolment_.retry();
  open_and_attach();
  ASSERT_EQ(enrolment_.pods().size(), 2U);
  EXPECT_EQ(enrolment_.pods()[0].slot, 0U) << "the failed pod's slot was not given back";
}

// With the hooks before the open addresses a joining pod refused every connection until its rows
// were written.
TEST_F(EnrolmentTest, a_joining_pod_waits_for_its_identity_and_its_grace_begins_after_that) {
  without_identity_.insert("a");
  settle({a_, b_});
  ASSERT_EQ(enrolment_.pods().size(), 1U);
  EXPECT_EQ(enrolment_.pods()[0].uid, "b");
  EXPECT_EQ(enrolment_.open_pods().size(), 1U);
  without_identity_.clear();
  clock_.advance(seconds(100));
  EXPECT_TRUE(open_and_attach());
  ASSERT_EQ(enrolment_.pods().size(), 2U);
  EXPECT_EQ(enrolment_.pods()[0].grace_until_ns, 3730ULL * 1000 * 1000 * 1000);
}

TEST_F(EnrolmentTest, a_joining_pod_gets_no_hooks_before_its_addresses_are_open) {
  EXPECT_TRUE(enrolment_.reconcile({a_}));
  EXPECT_THAT(enrolment_.pods(), IsEmpty());
  ASSERT_EQ(enrolment_.open_pods().size(), 1U);
  EXPECT_FALSE(enrolment_.attach_opened({}, [](const std::string&) { return true; }));
  EXPECT_THAT(hooks_.calls, IsEmpty());
  EXPECT_TRUE(open_and_attach());
  EXPECT_EQ(enrolment_.pods().size(), 1U);
  EXPECT_THAT(enrolment_.open_pods(), IsEmpty());
}

TEST_F(EnrolmentTest, a_leaving_pod_is_open_until_it_is_released) {
  settle({a_});
  EXPECT_TRUE(enrolment_.reconcile({}));
  ASSERT_EQ(enrolment_.open_pods().size(), 1U);
  EXPECT_EQ(enrolment_.open_pods()[0].addresses.size(), 2U);
  EXPECT_FALSE(enrolment_.release_retired(kRowsThere));
  EXPECT_TRUE(enrolment_.release_retired(kRowsGone));
  EXPECT_THAT(enrolment_.open_pods(), IsEmpty());
}

// An earlier agent ended after a leaving pod's rows were gone and before its hooks were.
TEST_F(EnrolmentTest, a_lookup_without_rows_is_released_after_a_restart) {
  hooks_.lookups[5] = "/ns/a";
  hold_.registered["a"] = "/ns/a";
  settle({});
  EXPECT_THAT(hooks_.lookups, IsEmpty());
  EXPECT_FALSE(hold_.registered.contains("a"));
}

TEST_F(EnrolmentTest, a_leaving_pod_keeps_its_hooks_until_its_rows_are_gone) {
  settle({a_, b_});
  hooks_.calls.clear();
  hold_.calls.clear();
  EXPECT_TRUE(settle({b_}));
  EXPECT_EQ(enrolment_.pods().size(), 1U);
  enrolment_.release_retired(kRowsThere);
  EXPECT_THAT(hooks_.calls, IsEmpty());
  EXPECT_EQ(enrolment_.leaving(), 1U);
  enrolment_.release_retired(kRowsGone);
  EXPECT_THAT(hooks_.calls, ElementsAre("release 0"));
  EXPECT_THAT(hold_.calls, ElementsAre("forget a"));
  EXPECT_EQ(enrolment_.leaving(), 0U);
}

TEST_F(EnrolmentTest, a_leaving_pods_slot_is_not_given_away_before_it_is_released) {
  settle({a_});
  settle({b_});
  EXPECT_EQ(enrolment_.pods()[0].slot, 1U);
  enrolment_.release_retired(kRowsGone);
  settle({a_, b_});
  EXPECT_EQ(enrolment_.pods()[0].slot, 0U);
}

TEST_F(EnrolmentTest, a_pod_wanted_again_while_leaving_stays_where_it_was) {
  settle({a_});
  settle({});
  clock_.advance(seconds(5));
  settle({a_});
  hooks_.calls.clear();
  enrolment_.release_retired(kRowsGone);
  EXPECT_THAT(hooks_.calls, IsEmpty());
  EXPECT_EQ(enrolment_.pods()[0].slot, 0U);
  // Others have heard that it goes, and send in the clear until they hear that it stays.
  EXPECT_EQ(enrolment_.pods()[0].grace_until_ns, 3635ULL * 1000 * 1000 * 1000);
}

TEST_F(EnrolmentTest, an_unreachable_hold_is_a_problem_and_a_leaving_pod_waits_for_it) {
  settle({a_});
  settle({});
  hold_.reachable = false;
  enrolment_.release_retired(kRowsGone);
  EXPECT_EQ(enrolment_.leaving(), 1U);
  settle({b_});
  ASSERT_EQ(enrolment_.problems().size(), 1U);
  EXPECT_EQ(enrolment_.problems()[0].error.reason, Reason::hold_unreachable);
  hold_.reachable = true;
  enrolment_.release_retired(kRowsGone);
  EXPECT_EQ(enrolment_.leaving(), 0U);
}

TEST_F(EnrolmentTest, after_an_agents_restart_slot_and_grace_come_from_the_kernels_rows) {
  compile::Rows rows;
  ks_pod row{};
  row.slot = 7;
  row.grace_until_ns = 77;
  rows[{compile::MapId::kPod, compile::bytes_of(uint64_t{100})}] = compile::bytes_of(row);
  hold_.registered["a"] = "/ns/a";
  enrolment_.recover(rows);
  settle({a_, b_});
  const auto pods = enrolment_.pods();
  EXPECT_EQ(pods[0].slot, 7U);
  EXPECT_EQ(pods[0].grace_until_ns, 77U);
  EXPECT_EQ(pods[1].slot, 0U);
  EXPECT_EQ(enrolment_.leaving(), 0U);
}

TEST_F(EnrolmentTest, after_an_agents_restart_pods_that_went_meanwhile_are_taken_out) {
  compile::Rows rows;
  ks_pod row{};
  row.slot = 3;
  rows[{compile::MapId::kPod, compile::bytes_of(uint64_t{100})}] = compile::bytes_of(row);
  row.slot = 4;  // its namespace is gone, and hold has forgotten it
  rows[{compile::MapId::kPod, compile::bytes_of(uint64_t{999})}] = compile::bytes_of(row);
  hold_.registered["a"] = "/ns/a";
  enrolment_.recover(rows);
  settle({b_});
  EXPECT_EQ(enrolment_.leaving(), 2U);
  enrolment_.release_retired(kRowsGone);
  EXPECT_THAT(hooks_.calls, testing::IsSupersetOf({"release 3", "release 4"}));
  EXPECT_FALSE(hold_.registered.contains("a"));
  EXPECT_TRUE(hold_.registered.contains("b"));
}

TEST_F(EnrolmentTest, nothing_may_be_applied_after_a_restart_until_hold_has_answered) {
  hold_.reachable = false;
  settle({a_});
  EXPECT_FALSE(enrolment_.is_ready_to_apply());
  hold_.reachable = true;
  clock_.advance(seconds(1));
  EXPECT_TRUE(enrolment_.retry());
  EXPECT_TRUE(enrolment_.is_ready_to_apply());
}

// A pod of an earlier agent was taken for an orphan when hold came back before its next try: its
// policies ended and other nodes sent to it in the clear.
TEST_F(EnrolmentTest, a_pod_that_a_new_hold_was_not_yet_asked_about_is_no_orphan) {
  compile::Rows rows;
  ks_pod row{};
  row.slot = 7;
  rows[{compile::MapId::kPod, compile::bytes_of(uint64_t{100})}] = compile::bytes_of(row);
  enrolment_.recover(rows);
  hold_.reachable = false;
  settle({a_, b_});
  hold_.reachable = true;  // a new one: it knows no pod
  settle({a_, b_});
  EXPECT_FALSE(enrolment_.is_ready_to_apply());
  EXPECT_EQ(enrolment_.leaving(), 0U);
  EXPECT_EQ(*enrolment_.next_retry(), clock_.now() + std::chrono::milliseconds(200));
  clock_.advance(std::chrono::milliseconds(200));
  settle({a_, b_});
  EXPECT_TRUE(enrolment_.is_ready_to_apply());
  EXPECT_EQ(enrolment_.leaving(), 0U);
  ASSERT_EQ(enrolment_.pods().size(), 2U);
  EXPECT_EQ(enrolment_.pods()[0].slot, 7U);
}

TEST_F(EnrolmentTest, a_pod_whose_enrolment_a_dying_hold_broke_is_no_orphan) {
  compile::Rows rows;
  rows[{compile::MapId::kPod, compile::bytes_of(uint64_t{100})}] = compile::bytes_of(ks_pod{});
  enrolment_.recover(rows);
  hold_.dies_after_register = true;
  settle({a_});
  EXPECT_FALSE(enrolment_.is_ready_to_apply());
  EXPECT_EQ(enrolment_.leaving(), 0U);
  EXPECT_EQ(enrolment_.problems()[0].error.reason, Reason::pod_unknown);
}

// Its rows were deleted: it was refused what it was sent, and sent in the clear.
TEST_F(EnrolmentTest, a_pod_of_an_earlier_agent_that_cannot_be_registered_now_stays_as_it_is) {
  restart_with_a();
  hold_.refuse["a"] = Reason::io_error;
  settle({a_, b_});
  EXPECT_TRUE(enrolment_.is_ready_to_apply());
  EXPECT_EQ(enrolment_.leaving(), 0U);
  EXPECT_THAT(enrolment_.open_pods(), IsEmpty());
  ASSERT_EQ(enrolment_.pods().size(), 2U);
  const compile::LocalPod kept = enrolment_.pods()[0];
  EXPECT_EQ(kept.uid, "a");
  EXPECT_EQ(kept.netns_cookie, 100U);
  EXPECT_EQ(kept.slot, 7U);
  EXPECT_EQ(kept.grace_until_ns, 77U);
  EXPECT_EQ(kept.host_ifindex, 11U);
  EXPECT_EQ(kept.addresses.size(), 2U);
  EXPECT_EQ(enrolment_.sock_diag("a"), nullptr);
  EXPECT_FALSE(enrolment_.self_check());
  EXPECT_FALSE(settle({a_, b_}));
  EXPECT_EQ(enrolment_.pods().size(), 2U);
  ASSERT_EQ(enrolment_.problems().size(), 1U);
  EXPECT_EQ(enrolment_.problems()[0].error.reason, Reason::io_error);
  EXPECT_EQ(hooks_.lookups[7], "/ns/a");
  EXPECT_THAT(hooks_.calls, ElementsAre("listeners 0", "source 12", "lookup 0")) << "b's alone";
}

TEST_F(EnrolmentTest, a_pod_of_an_earlier_agent_stays_when_its_namespaces_path_is_gone) {
  restart_with_a();
  settle({wanted("a", "/ns/gone")});
  EXPECT_TRUE(enrolment_.is_ready_to_apply());
  ASSERT_EQ(enrolment_.pods().size(), 1U);
  EXPECT_EQ(enrolment_.pods()[0].slot, 7U);
  ASSERT_EQ(enrolment_.problems().size(), 1U);
  EXPECT_EQ(enrolment_.problems()[0].error.reason, Reason::netns_invalid);
}

TEST_F(EnrolmentTest, a_pod_of_an_earlier_agent_stays_while_its_namespace_is_not_told) {
  restart_with_a();
  settle({wanted("a", "")});
  EXPECT_TRUE(enrolment_.is_ready_to_apply());
  ASSERT_EQ(enrolment_.pods().size(), 1U);
  ASSERT_EQ(enrolment_.problems().size(), 1U);
  EXPECT_EQ(enrolment_.problems()[0].error.reason, Reason::netns_invalid);
  enrolment_.self_check();
  EXPECT_THAT(hold_.calls, ElementsAre("tag_map")) << "asked to register no path";
  settle({a_});
  EXPECT_EQ(enrolment_.leaving(), 0U);
  ASSERT_EQ(enrolment_.pods().size(), 1U);
  EXPECT_EQ(enrolment_.pods()[0].grace_until_ns, 77U);
  EXPECT_TRUE(enrolment_.problems().empty());
  EXPECT_NE(enrolment_.sock_diag("a"), nullptr);
  EXPECT_EQ(hooks_.lookups[7], "/ns/a");
  EXPECT_THAT(enrolment_.open_pods(), IsEmpty());
}

TEST_F(EnrolmentTest, a_kept_pod_whose_namespace_turns_out_to_be_another_is_enrolled_anew) {
  restart_with_a();
  settle({wanted("a", ""), b_});
  hold_.netns["/ns/new"] = {101, {"10.0.0.1"}, 13};
  settle({wanted("a", "/ns/new"), b_});
  EXPECT_EQ(enrolment_.leaving(), 1U);
  EXPECT_EQ(enrolment_.pods().size(), 1U) << "ready in a namespace that is not in the mesh";
  enrolment_.release_retired(kRowsGone);
  open_and_attach();
  ASSERT_EQ(enrolment_.pods().size(), 2U);
  EXPECT_EQ(enrolment_.pods()[0].netns_cookie, 101U);
}

TEST_F(EnrolmentTest, a_pod_that_ends_while_its_namespace_is_not_told_is_released) {
  restart_with_a();
  settle({wanted("a", "")});
  settle({});
  enrolment_.release_retired(kRowsGone);
  EXPECT_THAT(hooks_.lookups, IsEmpty());
  EXPECT_FALSE(hold_.registered.contains("a"));
}

// Which rows are its own nobody can tell then, and it runs: they stay until its namespace is told.
TEST_F(EnrolmentTest, with_a_new_hold_rows_wait_for_the_namespace_of_a_pod_that_runs) {
  restart_with_a();
  hold_.registered.clear();
  for (int minute = 0; minute < 5; ++minute) {
    settle({wanted("a", ""), b_});
    EXPECT_FALSE(enrolment_.is_ready_to_apply());
    EXPECT_EQ(enrolment_.leaving(), 0U);
    clock_.advance(seconds(60));
  }
  settle({a_, b_});
  EXPECT_TRUE(enrolment_.is_ready_to_apply());
  EXPECT_EQ(enrolment_.leaving(), 0U);
  ASSERT_EQ(enrolment_.pods().size(), 2U);
  EXPECT_EQ(enrolment_.pods()[0].slot, 7U);
}

TEST_F(EnrolmentTest, a_kept_pod_is_registered_by_the_self_check_as_soon_as_that_succeeds) {
  restart_with_a();
  hold_.refuse["a"] = Reason::io_error;
  settle({a_, b_});
  hold_.refuse.clear();
  hooks_.lookups.erase(7);
  EXPECT_TRUE(enrolment_.self_check()) << "its connections can be cut now";
  EXPECT_NE(enrolment_.sock_diag("a"), nullptr);
  EXPECT_TRUE(enrolment_.problems().empty());
  EXPECT_EQ(hooks_.lookups[7], "/ns/a") << "not repaired";
  EXPECT_FALSE(enrolment_.self_check());
  settle({b_});
  EXPECT_EQ(enrolment_.leaving(), 1U);
  enrolment_.release_retired(kRowsGone);
  EXPECT_FALSE(hold_.registered.contains("a"));
}

TEST_F(EnrolmentTest, a_kept_pod_whose_sandbox_is_another_one_is_enrolled_anew) {
  restart_with_a();
  hold_.refuse["a"] = Reason::io_error;
  settle({a_});
  hold_.refuse.clear();
  hold_.netns["/ns/new"] = {101, {"10.0.0.1"}, 13};
  settle({wanted("a", "/ns/new")});
  enrolment_.release_retired(kRowsGone);
  open_and_attach();
  ASSERT_EQ(enrolment_.pods().size(), 1U);
  EXPECT_EQ(enrolment_.pods()[0].netns_cookie, 101U);
  EXPECT_EQ(enrolment_.leaving(), 0U);
}

TEST_F(EnrolmentTest, a_pod_of_an_earlier_agent_stays_when_its_object_declares_another_address) {
  restart_with_a();
  settle({wanted("a", "/ns/a", "10.9.9.9")});
  EXPECT_TRUE(enrolment_.is_ready_to_apply());
  ASSERT_EQ(enrolment_.pods().size(), 1U);
  EXPECT_EQ(enrolment_.pods()[0].slot, 7U);
  ASSERT_EQ(enrolment_.problems().size(), 1U);
  EXPECT_EQ(enrolment_.problems()[0].error.reason, Reason::address_mismatch);
}

// Hold was restarted with the agent: only the pod's registration tells which rows are its own.
TEST_F(EnrolmentTest, rows_that_may_be_an_unregistered_pods_are_no_orphans_for_half_a_minute) {
  restart_with_a();
  hold_.registered.clear();
  hold_.refuse["a"] = Reason::io_error;
  settle({a_, b_});
  for (const int pause : {1, 2, 4, 8}) {
    EXPECT_FALSE(enrolment_.is_ready_to_apply());
    EXPECT_EQ(enrolment_.leaving(), 0U);
    clock_.advance(seconds(pause));
    settle({a_, b_});
  }
  EXPECT_FALSE(enrolment_.is_ready_to_apply());
  clock_.advance(seconds(16));
  settle({a_, b_});
  EXPECT_TRUE(enrolment_.is_ready_to_apply()) << "one pod's trouble stops the node";
  EXPECT_EQ(enrolment_.leaving(), 1U);
}

TEST_F(EnrolmentTest, a_pod_that_a_new_hold_registers_at_the_second_try_keeps_its_slot) {
  restart_with_a();
  hold_.registered.clear();
  hold_.refuse["a"] = Reason::io_error;
  settle({a_});
  hold_.refuse.clear();
  clock_.advance(seconds(1));
  settle({a_});
  EXPECT_TRUE(enrolment_.is_ready_to_apply());
  EXPECT_EQ(enrolment_.leaving(), 0U);
  ASSERT_EQ(enrolment_.pods().size(), 1U);
  EXPECT_EQ(enrolment_.pods()[0].slot, 7U);
}

TEST_F(EnrolmentTest, an_absent_hold_is_asked_for_one_pod_not_for_each) {
  hold_.reachable = false;
  settle({a_, b_});
  EXPECT_EQ(hold_.asked_in_vain, 1);
  EXPECT_EQ(enrolment_.problems().size(), 2U);
}

TEST_F(EnrolmentTest,
       a_restarted_hold_gets_its_pods_and_listeners_back_before_it_may_make_new_ones) {
  settle({a_});
  hold_.restart();
  EXPECT_FALSE(enrolment_.self_check()) << "no fact changed";
  EXPECT_EQ(std::count(hold_.calls.begin(), hold_.calls.end(), "adopt a"), KS_LISTENERS_PER_POD);
  EXPECT_EQ(hold_.calls.back(), "tag_map");
  hold_.calls.clear();
  enrolment_.self_check();
  EXPECT_THAT(hold_.calls, ElementsAre("register a")) << "told only once";
}

TEST_F(EnrolmentTest, the_self_check_repairs_what_somebody_removed) {
  settle({a_});
  EXPECT_FALSE(enrolment_.self_check());
  EXPECT_EQ(enrolment_.repairs(), 0U);
  hooks_.lookups.clear();
  enrolment_.self_check();
  EXPECT_EQ(hooks_.lookups[0], "/ns/a");
  hooks_.listeners.clear();
  enrolment_.self_check();
  hooks_.sources.clear();
  enrolment_.self_check();
  EXPECT_TRUE(hooks_.sources.contains(11));
  EXPECT_EQ(enrolment_.repairs(), 3U);
}

// A leaving pod's row has a grace without end; its agent ended, and the pod is wanted again.
TEST_F(EnrolmentTest, a_grace_without_end_ends_after_a_restart) {
  compile::Rows rows;
  ks_pod row{};
  row.grace_until_ns = UINT64_MAX;
  rows[{compile::MapId::kPod, compile::bytes_of(uint64_t{100})}] = compile::bytes_of(row);
  hold_.registered["a"] = "/ns/a";
  enrolment_.recover(rows);
  settle({a_});
  EXPECT_EQ(enrolment_.pods()[0].grace_until_ns, 3630ULL * 1000 * 1000 * 1000);
}

TEST_F(EnrolmentTest, the_self_check_notices_new_addresses_and_another_port_range) {
  settle({a_});
  hold_.netns["/ns/a"].addresses.push_back("10.0.0.99");
  EXPECT_TRUE(enrolment_.self_check());
  EXPECT_EQ(enrolment_.pods()[0].addresses.size(), 3U);
  hold_.netns["/ns/a"].port_first = 20000;
  EXPECT_TRUE(enrolment_.self_check());
  EXPECT_EQ(enrolment_.pods()[0].local_port_first, 20000);
  EXPECT_FALSE(enrolment_.self_check());
  EXPECT_EQ(enrolment_.pods()[0].grace_until_ns, 3630ULL * 1000 * 1000 * 1000);
}

TEST_F(EnrolmentTest, a_new_sandbox_behind_the_same_path_is_enrolled_anew) {
  settle({a_});
  hold_.netns["/ns/a"].cookie = 101;
  EXPECT_TRUE(enrolment_.self_check());
  EXPECT_EQ(enrolment_.leaving(), 1U);
  enrolment_.release_retired(kRowsGone);
  open_and_attach();
  ASSERT_EQ(enrolment_.pods().size(), 1U);
  EXPECT_EQ(enrolment_.pods()[0].netns_cookie, 101U);
  EXPECT_EQ(enrolment_.pods()[0].slot, 1U) << "the old sandbox still had slot 0";
  EXPECT_TRUE(hold_.registered.contains("a")) << "hold's registration is the new sandbox's";
}

TEST_F(EnrolmentTest, a_pod_that_hold_cannot_reach_now_stays_enrolled) {
  settle({a_});
  hold_.reachable = false;
  EXPECT_FALSE(enrolment_.self_check());
  EXPECT_EQ(enrolment_.pods().size(), 1U);
  EXPECT_EQ(enrolment_.problems().size(), 1U);
  EXPECT_FALSE(enrolment_.next_retry());
  hold_.reachable = true;
  enrolment_.self_check();
  EXPECT_TRUE(enrolment_.problems().empty());
}

TEST_F(EnrolmentTest, hold_forgets_a_pod_whose_enrolment_failed_half_way_when_it_is_not_wanted) {
  settle({wanted("a", "/ns/a", "10.9.9.9")});
  EXPECT_TRUE(hold_.registered.contains("a"));
  settle({});
  EXPECT_FALSE(hold_.registered.contains("a"));
}

}  // namespace
}  // namespace keelson::pods
