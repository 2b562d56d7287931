// agent/pods with the real keelson-hold and the real kernel: one pod's way into the mesh and out.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/ip_address.h"
#include "datapath/kernel_maps.h"
#include "datapath/loader.h"
#include "netns/hold_process.h"
#include "pods/enrolment.h"

namespace keelson::netns_test {
namespace {

using compile::bytes_of;
using compile::MapId;

class EnrolmentInKernel : public testing::Test {
 protected:
  void SetUp() override {
    if (::getuid() != 0) GTEST_SKIP() << "needs root";
    connect_pod(node_, pod_, "p0", "10.99.0.2/24");
    run("ip -n " + node_.name() + " addr add 10.99.0.1/24 dev p0");
    node_.inside([this] {
      auto loaded = datapath::Loader::load({bpffs_.pins(), cgroup_.path()});
      ASSERT_TRUE(loaded) << loaded.error().message();
      loader_ = std::move(*loaded);
    });
  }
  pods::WantedPod wanted() const {
    return {"uid-1", "shop/web", pod_.path(), {*IpAddress::parse("10.99.0.2")}};
  }
  int dial(uint16_t port) const {  // 0 or errno
    const Fd socket = node_.socket(AF_INET, SOCK_STREAM);
    const timeval limit{1, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    sockaddr_storage address{};
    const socklen_t length = Endpoint{*IpAddress::parse("10.99.0.2"), port}.to_sockaddr(address);
    const auto* to = reinterpret_cast<const sockaddr*>(&address);
    return ::connect(socket.get(), to, length) == 0 ? 0 : errno;
  }
  Fd application(uint16_t port) const {
    Fd socket = pod_.socket(AF_INET, SOCK_STREAM);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(port);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
    EXPECT_EQ(::listen(socket.get(), 16), 0);
    return socket;
  }

  Bpffs bpffs_;
  EmptyCgroup cgroup_;
  TemporaryFolder run_dir_;
  Namespace node_{"node"};
  Namespace pod_{"pod"};
  std::unique_ptr<datapath::Loader> loader_;
  HoldProcess hold_{node_, run_dir_.path()};
  link::HoldClient client_{hold_.socket_path()};
  SystemClock clock_;
};

TEST_F(EnrolmentInKernel, a_pod_enters_survives_holds_death_and_leaves_without_a_trace) {
  const Fd app = application(8080);
  ASSERT_EQ(dial(8080), 0);
  auto maps = datapath::KernelMaps::open(loader_->pins());
  ASSERT_TRUE(maps && maps->become_owner());
  pods::Enrolment enrolment(client_, *loader_, clock_);

  node_.inside([&] { EXPECT_TRUE(enrolment.reconcile({wanted()})); });
  const auto open = IpAddress::parse("10.99.0.2")->raw();
  ASSERT_EQ(enrolment.open_pods().size(), 1U);
  ASSERT_TRUE(maps->put(
      MapId::kAddress, bytes_of(open),
      bytes_of(ks_address{enrolment.open_pods()[0].netns_cookie, 0, KS_ADDRESS_OPEN, 0})));
  node_.inside([&] {
    EXPECT_TRUE(
        enrolment.attach_opened(*maps->read_all(), [](const std::string&) { return true; }));
  });
  ASSERT_EQ(enrolment.pods().size(), 1U)
      << (enrolment.problems().empty() ? "" : enrolment.problems()[0].error.message());
  const compile::LocalPod pod = enrolment.pods()[0];
  EXPECT_EQ(pod.netns_cookie, netns_cookie(pod_.socket(AF_INET, SOCK_DGRAM)));
  EXPECT_NE(pod.host_ifindex, 0U);
  EXPECT_EQ(dial(8080), 0) << "a joining pod is open";

  // What compile would write: plaintext is allowed, HBONE goes to the pod's listener.
  ks_pod row{};
  row.addr4 = IpAddress::parse("10.99.0.2")->raw();
  row.slot = pod.slot;
  ASSERT_TRUE(maps->put(MapId::kPod, bytes_of(pod.netns_cookie), bytes_of(row)));
  ASSERT_TRUE(maps->put(MapId::kAddress, bytes_of(row.addr4),
                        bytes_of(ks_address{pod.netns_cookie, 0, KS_ADDRESS_LOCAL, 0})));
  EXPECT_EQ(dial(8080), 0);
  EXPECT_EQ(dial(KS_HBONE_PORT), 0) << "nobody listens on 15008 in the pod: steered to ours";

  hold_.kill();
  EXPECT_EQ(dial(KS_HBONE_PORT), 0) << "the agent keeps the listeners open";
  HoldProcess restarted(node_, run_dir_.path());
  node_.inside([&] { EXPECT_FALSE(enrolment.self_check()); });
  EXPECT_TRUE(enrolment.problems().empty());
  EXPECT_EQ(enrolment.repairs(), 0U);
  const auto again = client_.listeners("uid-1");
  ASSERT_TRUE(again);
  EXPECT_TRUE(loader_->listeners_installed(pod.slot, *again)) << "hold made other listeners";

  node_.inside([&] { EXPECT_TRUE(enrolment.reconcile({})); });
  EXPECT_EQ(dial(KS_HBONE_PORT), 0) << "the hooks went before the rows";
  ASSERT_TRUE(maps->put(MapId::kAddress, bytes_of(row.addr4),
                        bytes_of(ks_address{pod.netns_cookie, 0, KS_ADDRESS_OPEN, 0})));
  ASSERT_TRUE(maps->erase(MapId::kPod, bytes_of(pod.netns_cookie)));
  EXPECT_EQ(dial(8080), 0) << "a leaving pod is open";
  node_.inside([&] { enrolment.release_retired([](const compile::LocalPod&) { return true; }); });
  ASSERT_TRUE(maps->erase(MapId::kAddress, bytes_of(row.addr4)));
  EXPECT_EQ(enrolment.leaving(), 0U);
  EXPECT_EQ(dial(8080), 0);
  EXPECT_EQ(dial(KS_HBONE_PORT), ECONNREFUSED);
  EXPECT_TRUE(loader_->pins().list("lookup_").empty());
  EXPECT_TRUE(loader_->pins().list("source_").empty());
  EXPECT_TRUE(client_.list_all()->empty());
}

TEST_F(EnrolmentInKernel, an_agent_that_restarts_finds_its_pods_slot_and_listeners_again) {
  auto maps = datapath::KernelMaps::open(loader_->pins());
  ASSERT_TRUE(maps && maps->become_owner());
  uint64_t cookie = 0;
  {
    pods::Enrolment first(client_, *loader_, clock_);
    node_.inside([&] { ASSERT_TRUE(first.reconcile({wanted()})); });
    const compile::LocalPod pod = first.open_pods()[0];
    cookie = pod.netns_cookie;
    ks_pod row{};
    row.slot = pod.slot;
    row.grace_until_ns = pod.grace_until_ns;
    ASSERT_TRUE(maps->put(MapId::kPod, bytes_of(cookie), bytes_of(row)));
  }
  const auto kept = client_.listeners("uid-1");
  ASSERT_TRUE(kept);
  link::HoldClient new_client(hold_.socket_path());
  pods::Enrolment second(new_client, *loader_, clock_);
  second.recover(*maps->read_all());
  node_.inside([&] { EXPECT_TRUE(second.reconcile({wanted()})); });
  ASSERT_EQ(second.pods().size(), 1U);
  EXPECT_EQ(second.pods()[0].netns_cookie, cookie);
  EXPECT_TRUE(loader_->listeners_installed(second.pods()[0].slot, *kept));
  EXPECT_EQ(loader_->pins().list("lookup_").size(), 1U);
  EXPECT_EQ(second.leaving(), 0U);
}

}  // namespace
}  // namespace keelson::netns_test
