#include "datapath/cgroup_root.h"

#include <gtest/gtest.h>

namespace keelson::datapath {
namespace {

TEST(CgroupRoot, finds_the_unified_mount_of_a_hybrid_host) {
  const auto root = find_cgroup2_root(
      "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
      "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n");
  ASSERT_TRUE(root);
  EXPECT_EQ(*root, "/sys/fs/cgroup/unified");
}

TEST(CgroupRoot, reads_lines_with_any_number_of_optional_fields) {
  const auto root = find_cgroup2_root(
      "30 23 0:26 / /sys/fs/cgroup rw shared:9 master:1 - cgroup2 cgroup2 rw,nsdelegate\n");
  ASSERT_TRUE(root);
  EXPECT_EQ(*root, "/sys/fs/cgroup");
}

TEST(CgroupRoot, passes_over_a_mount_that_shows_only_a_part_of_the_hierarchy) {
  const auto root = find_cgroup2_root(
      "30 23 0:26 /kubepods/pod1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
      "31 23 0:26 / /host/cgroup\\0402 rw - cgroup2 cgroup2 rw\n");
  ASSERT_TRUE(root);
  EXPECT_EQ(*root, "/host/cgroup 2");
}

TEST(CgroupRoot, AReaderAtTheTopOfItsNamespaceWithoutAMountAboveItSeesOnlyItself) {
  const char* own = "30 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
  const char* both =
      "30 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
      "32 23 0:26 /../.. /host/sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";
  EXPECT_TRUE(sees_only_itself(own, "0::/\n"));
  EXPECT_TRUE(sees_only_itself(own, ""));
  EXPECT_FALSE(sees_only_itself(both, "0::/\n"));
  EXPECT_FALSE(sees_only_itself(own, "5:cpu:/x\n0::/kubepods/pod1/c\n"));
}

TEST(CgroupRoot, InAContainersOwnNamespaceTheHostsMountIsTheOneAboveIt) {
  const auto root = find_cgroup2_root(
      "30 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
      "31 23 0:26 /../.. /mnt/kubepods ro - cgroup2 cgroup2 rw\n"
      "32 23 0:26 /../../../.. /host/sys/fs/cgroup ro - cgroup2 cgroup2 rw\n"
      "33 23 0:26 /../../../../system.slice /mnt/system ro - cgroup2 cgroup2 rw\n"
      "34 23 0:26 /..data /mnt/data ro - cgroup2 cgroup2 rw\n");
  ASSERT_TRUE(root);
  EXPECT_EQ(*root, "/host/sys/fs/cgroup");
}

TEST(CgroupRoot, says_what_to_mount_when_there_is_none) {
  for (const char* text :
       {"", "garbage\n", "30 23 0:26 / /sys/fs/cgroup rw - cgroup cgroup rw\n"}) {
    const auto root = find_cgroup2_root(text);
    ASSERT_FALSE(root);
    EXPECT_EQ(root.error().reason, Reason::kernel_feature_missing);
    EXPECT_NE(root.error().context.find("mount"), std::string::npos);
  }
}

}  // namespace
}  // namespace keelson::datapath
