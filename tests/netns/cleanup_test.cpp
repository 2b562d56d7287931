// After a lab with agents and holds is gone, whichever way, the kernel holds nothing of it.
#include <signal.h>

#include <set>
#include <sstream>

#include "lab_cleanup.h"
#include "lab_command.h"
#include "lab_process.h"
#include "support/netns_lab.h"

namespace keelson::test {
namespace {

// Ids of ks_ programs attached at the cgroup root. Other labs may run beside this one, so tests
// compare with what was there before.
std::set<std::string> attached_programs() {
  std::set<std::string> ids;
  auto cgroup = lab::find_cgroup2();
  if (!cgroup) return ids;
  auto shown = lab::run({.argv = {"bpftool", "cgroup", "show", *cgroup}, .may_fail = true});
  std::istringstream lines(shown ? *shown : "");
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string id;
    if (words >> id && line.find("ks_") != std::string::npos) ids.insert(id);
  }
  return ids;
}

std::set<std::string> difference(const std::set<std::string>& of,
                                 const std::set<std::string>& without) {
  std::set<std::string> rest;
  for (const std::string& id : of)
    if (!without.contains(id)) rest.insert(id);
  return rest;
}

const NetnsLabOptions kOptions{.manifest = namespace_yaml("shop", true) +
                                           pod_yaml("shop", "pay", "node1") +
                                           pod_yaml("shop", "web", "node2")};

TEST(Cleanup, AnOrderlyDownLeavesNothing) {
  const auto before = attached_programs();
  std::set<std::string> ours;
  {
    NetnsLab lab(kOptions);  // its destructor checks namespaces, mounts, cgroups, processes, files
    ASSERT_TRUE(lab.is_up());
    ASSERT_TRUE(lab.wait_ready()) << lab.logs();
    ASSERT_TRUE(lab.wait_settled()) << lab.logs();
    ours = difference(attached_programs(), before);
    EXPECT_FALSE(ours.empty()) << "the agents should have attached programs";
  }
  EXPECT_TRUE(wait_until([&] {
    const auto now = attached_programs();
    return difference(ours, now) == ours;
  })) << "programs are still attached";
}

TEST(Cleanup, AKilledSupervisorIsCleanedUpAfterByTheNextDown) {
  const auto before = attached_programs();
  NetnsLab lab(kOptions);
  ASSERT_TRUE(lab.is_up());
  ASSERT_TRUE(lab.wait_ready()) << lab.logs();
  const auto ours = difference(attached_programs(), before);
  auto supervisor = lab::recorded_pid(lab.layout().supervisor_pid_file());
  ASSERT_TRUE(supervisor);
  ASSERT_TRUE(lab::signal_process(*supervisor, SIGKILL));
  ASSERT_TRUE(wait_until([&] { return !lab::is_alive(*supervisor); }));
  EXPECT_FALSE(lab::leftovers(lab.layout()).empty());
  ASSERT_TRUE(lab.client().down());
  EXPECT_TRUE(lab::leftovers(lab.layout()).empty());
  EXPECT_TRUE(wait_until([&] { return difference(ours, attached_programs()) == ours; }));
}

}  // namespace
}  // namespace keelson::test
