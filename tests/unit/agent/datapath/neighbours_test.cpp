#include "datapath/neighbours.h"

#include <gtest/gtest.h>

namespace keelson::datapath {
namespace {

struct Case {
  const char* title;
  std::vector<Neighbour> programs;
  CheckLevel level;
  const char* text;
  const char* hint;  // begins with it
};

// Names as the kernel keeps them: cut to 15 characters.
TEST(Neighbours, KnowsWhoIsThereAndWhatToDo) {
  for (const Case& wanted : {
           Case{"nobody", {}, CheckLevel::kOk, "none", ""},
           Case{"ours, by name or by id",
                {{"connect4", 1, "ks_connect4"}, {"sock_ops", 7, ""}},
                CheckLevel::kOk,
                "none",
                ""},
           Case{"Cilium 1.16 with kube-proxy replacement",
                {{"connect4", 31, "cil_sock4_conne"}, {"connect6", 32, "cil_sock6_conne"}},
                CheckLevel::kWarning,
                "Cilium's socket load balancer: cil_sock4_conne at connect4, cil_sock6_conne at "
                "connect6; not tested together",
                "set socketLB.hostNamespaceOnly=true"},
           Case{"Calico's eBPF data plane",
                {{"connect4", 41, "calico_connect_"}},
                CheckLevel::kWarning,
                "Calico's connect-time load balancer: calico_connect_ at connect4; not tested "
                "together",
                "set bpfConnectTimeLoadBalancing: Disabled"},
           Case{"somebody else, whose name may not be read",
                {{"sock_ops", 51, ""}},
                CheckLevel::kWarning,
                "an unknown program: id 51 at sock_ops; not tested together",
                "bpftool prog show id ID"},
       }) {
    const auto checks = judge_neighbours(wanted.programs, {7});
    ASSERT_EQ(checks.size(), 1U) << wanted.title;
    EXPECT_EQ(checks[0].level, wanted.level) << wanted.title;
    EXPECT_EQ(checks[0].text, wanted.text) << wanted.title;
    EXPECT_TRUE(checks[0].hint.starts_with(wanted.hint)) << wanted.title;
  }
}

TEST(Neighbours, EachProjectIsACheckOfItsOwn) {
  EXPECT_EQ(judge_neighbours({{"connect4", 1, "cil_sock4_conne"}, {"connect4", 2, "something"}}, {})
                .size(),
            2U);
}

}  // namespace
}  // namespace keelson::datapath
