// A ProxyLink on its real socket, and proxies that speak to it by lib/config's own decoder. For the
// tests of this folder; one thread.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "config/builder.h"
#include "link/frames.h"
#include "link/memfd.h"
#include "proxylink/proxy_link.h"
#include "proxylink/same_content.h"
#include "rollout/rollout.h"
#include "support/fake_clock.h"

namespace keelson::proxylink {

using config::RuntimeConfig;
using std::chrono::milliseconds;

constexpr uint64_t kWeb = 11, kPay = 12;

inline std::shared_ptr<RuntimeConfig> sample(uint64_t generation) {
  auto made = std::make_shared<RuntimeConfig>();
  made->generation = generation;
  made->node_name = "a";
  made->trust_domain = "cluster.local";
  const IpAddress own = IpAddress::parse("10.0.0.1").value();
  const IpAddress other = IpAddress::parse("10.0.1.1").value();
  made->local_pods["u1"] = std::make_shared<const config::LocalPod>(
      config::LocalPod{"u1", "shop", "web-1", 99, 3, kWeb, {own}, {21, 0}, 2});
  made->workloads[own] =
      std::make_shared<const config::Workload>(config::Workload{"shop/web-1", kWeb, "a", true});
  // While a pod moves, two nodes list one of its name.
  made->workloads[other] =
      std::make_shared<const config::Workload>(config::Workload{"shop/web-1", kPay, "b", false});
  made->services[41] = std::make_shared<const config::Service>(config::Service{"shop", "pay", 80});
  config::PolicySet set;
  set.rows[{0, 0, 0}] = {31, KS_ALLOW, 0, {}};
  set.policy_names[31] = "shop/p";
  made->policy_sets[21] = std::make_shared<const config::PolicySet>(set);
  made->identities[kWeb] = std::make_shared<const config::Identity>(
      config::Identity{"cluster.local/ns/shop/sa/web", nullptr});
  made->identities[kPay] = std::make_shared<const config::Identity>(
      config::Identity{"cluster.local/ns/shop/sa/pay", nullptr});
  return made;
}

// So much that no socket buffer takes it.
inline std::shared_ptr<RuntimeConfig> huge(uint64_t generation) {
  auto made = sample(generation);
  for (uint64_t i = 0; i < 6000; i++)
    made->services[1000 + i] = std::make_shared<const config::Service>(
        config::Service{"namespace-" + std::to_string(generation), std::string(40, 's'), 80});
  return made;
}

inline ino_t inode_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

class FakeProxy {
 public:
  explicit FakeProxy(const std::string& path)
      : socket_(link::connect_seqpacket(path).value()),
        builder_([](const Fd& fd) { return link::read_sealed_memfd(fd, 1 << 20); }) {
    ::fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
  }
  void say(const std::string& payload, std::initializer_list<int> fds = {}) {
    (void)link::send_frame(socket_, payload, {std::data(fds), fds.size()});
  }
  void hello_with_gauge(int gauge, uint32_t workers) {
    config::Hello hello;
    hello.workers = workers;
    hello.has_gauge = true;
    say(config::encode_hello(hello), {gauge});
  }
  void hang_up() { socket_.reset(); }
  void hello(const std::string& version = "1.2.3") {
    config::Hello hello;
    hello.version = version;
    hello.pid = 77;
    hello.workers = 2;
    say(config::encode_hello(hello));
  }
  void ack() { say(config::encode_ack(config->generation)); }
  // Reads what is there; false: nothing was.
  bool read_some() {
    bool any = false;
    while (true) {
      auto frame = link::receive_frame(socket_);
      if (!frame) return any;
      if (frame->closed) {
        closed = true;
        return any;
      }
      any = true;
      auto outcome = builder_.on_packet(frame->payload, std::move(frame->fds));
      if (!outcome) {
        ADD_FAILURE() << outcome.error().message();
        return any;
      }
      if (outcome->maps) maps = std::move(outcome->maps);
      stats_wanted |= outcome->stats_wanted;
      if (outcome->refused) ADD_FAILURE() << outcome->refused->message();
      if (outcome->committed) {
        config = outcome->committed;
        commits++;
      }
    }
  }

  std::shared_ptr<const RuntimeConfig> config;
  std::optional<config::ProxyMaps> maps;
  int commits = 0;
  bool closed = false;
  bool stats_wanted = false;

 private:
  Fd socket_;
  config::Builder builder_;
};

class ProxyLinkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "keelson-link-XXXXXX";
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
    path_ = folder_ + "/proxy.sock";
    open({.uids = {::geteuid()}});
  }
  void TearDown() override {
    link_.reset();
    std::filesystem::remove_all(folder_);
  }
  void open(ProxyLinkOptions options) {
    link_.reset();
    ProxyMapFds maps{Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)),
                     Fd(::open("/dev/zero", O_RDWR | O_CLOEXEC))};
    socket_map_ = inode_of(maps.sockets.get());
    note_map_ = inode_of(maps.notes.get());
    ProxyLink::Callbacks callbacks;
    callbacks.on_published = [this](uint64_t ticket) {
      events_.push_back("published " + std::to_string(ticket));
    };
    callbacks.on_proxy_lost = [this] { events_.push_back("lost"); };
    callbacks.on_proxy_connected = [this] { events_.push_back("connected"); };
    callbacks.on_denials = [this](const config::Denials& reported) {
      denials_.lost += reported.lost;
      denials_.denials.insert(denials_.denials.end(), reported.denials.begin(),
                              reported.denials.end());
    };
    link_ = std::make_unique<ProxyLink>(loop_, clock_, std::move(maps), std::move(callbacks),
                                        std::move(options));
    ASSERT_TRUE(link_->listen(path_));
  }
  // Both ends work until neither has anything to do.
  void turn(std::initializer_list<FakeProxy*> proxies = {}) {
    for (int idle = 0; idle < 5; idle++) {
      loop_.run_ready();
      for (FakeProxy* proxy : proxies)
        if (proxy->read_some()) idle = 0;
    }
  }
  // The proxy says hello and is given configuration 1.
  void serve(FakeProxy& proxy) {
    link_->set_config(sample(1));
    proxy.hello();
    turn({&proxy});
  }
  std::shared_ptr<const Fd> key(const std::string& content) {
    return std::make_shared<const Fd>(link::make_sealed_memfd("key", content).value());
  }
  std::vector<std::string> take_events() { return std::exchange(events_, {}); }
  using Events = std::vector<std::string>;

  std::string folder_, path_;
  test::FakeClock clock_;
  io::EventLoop loop_;
  std::vector<std::string> events_;
  config::Denials denials_;
  ino_t socket_map_ = 0, note_map_ = 0;
  std::unique_ptr<ProxyLink> link_;
};

}  // namespace keelson::proxylink
