#include "pods/runtime/proc_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace keelson::pods {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;

constexpr char kUid[] = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

TEST(PodUidOfCgroup, IsFoundUnderEveryDriverAndHierarchy) {
  const std::string uid = kUid;
  for (const std::string& text : std::vector<std::string>{
           "0::/kubepods/burstable/pod" + uid + "/9f3a", "0::/kubepods/pod" + uid + "/9f3a\n",
           "12:cpu,cpuacct:/user\n1:name=systemd:/kn1/kubepods/besteffort/pod" + uid + "/9f\n0::/x",
           "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-"
           "pod0f1e2d3c_4b5a_6978_8796_a5b4c3d2e1f0.slice/cri-containerd-9f3a.scope",
           "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-"
           "pod0f1e2d3c_4b5a_6978_8796_a5b4c3d2e1f0.slice/crio-9f3a.scope"})
    EXPECT_EQ(pod_uid_of_cgroup(text), uid) << text;
}

TEST(PodUidOfCgroup, OfAStaticPodIsItsManifestsHash) {
  EXPECT_EQ(pod_uid_of_cgroup("0::/kubepods/burstable/podaaaabbbbccccddddeeeeffff00001111/9f"),
            "aaaabbbbccccddddeeeeffff00001111");
}

TEST(PodUidOfCgroup, OfEverythingElseThereIsNone) {
  for (const char* text :
       {"", "0::/", "0::/init.scope", "0::/kubepods", "0::/kubepods/burstable/podman/9f",
        "0::/machine.slice/libpod-0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0.scope",
        "0::/kubepods/pod0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1fg/9f"})
    EXPECT_EQ(pod_uid_of_cgroup(text), "") << text;
}

// A folder that looks like /proc: a file stands for each namespace, hard links for sharing it.
class ProcSourceTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = "/tmp/keelson-proc-XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    folder = path;
    std::ofstream(folder + "/node-netns") << "";
    std::ofstream(folder + "/pod-netns") << "";
    add("1", "0::/init.scope", "node-netns");
    fs::create_directory(folder + "/sys");
  }
  void TearDown() override { fs::remove_all(folder); }
  void add(const std::string& pid, const std::string& cgroup, const std::string& netns) {
    fs::create_directories(folder + "/" + pid + "/ns");
    std::ofstream(folder + "/" + pid + "/cgroup") << cgroup;
    fs::create_hard_link(folder + "/" + netns, folder + "/" + pid + "/ns/net");
  }
  std::string pod_cgroup() const { return std::string("0::/kubepods/pod") + kUid + "/c1\n"; }

  std::string folder;
  io::EventLoop loop;
};

TEST_F(ProcSourceTest, FindsAPodByAProcessOfIt) {
  add("77", pod_cgroup(), "pod-netns");
  ProcSource source(loop, folder);
  const auto found = source.scan();
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_THAT(*found, ElementsAre(Sandbox{
                          std::string("proc-") + kUid, kUid, folder + "/77/ns/net", {}, true}));
}

TEST_F(ProcSourceTest, APodOnTheNodesNetworkIsOut) {
  add("77", pod_cgroup(), "node-netns");
  ProcSource source(loop, folder);
  EXPECT_THAT(*source.scan(), IsEmpty());
}

TEST_F(ProcSourceTest, KeepsAPathThatStillLeadsThere) {
  add("77", pod_cgroup(), "pod-netns");
  ProcSource source(loop, folder);
  ASSERT_TRUE(source.scan());
  for (const char* pid : {"12", "99"}) add(pid, pod_cgroup(), "pod-netns");
  EXPECT_THAT(*source.scan(), ElementsAre(Field(&Sandbox::netns_path, folder + "/77/ns/net")));
  fs::remove_all(folder + "/77");
  EXPECT_NE((*source.scan()).at(0).netns_path, folder + "/77/ns/net");
}

TEST_F(ProcSourceTest, WithoutTheNodesProcessesItSaysWhatToMount) {
  ProcSource source(loop, folder + "/none");
  EXPECT_FALSE(source.scan());
  fs::remove_all(folder + "/1");
  ProcSource half(loop, folder);
  const auto found = half.scan();
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message(), testing::HasSubstr("mount the node's /proc"));
}

}  // namespace
}  // namespace keelson::pods
