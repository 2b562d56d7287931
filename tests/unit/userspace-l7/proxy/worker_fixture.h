// A whole worker on loopback, without root: pod A's application dials, the worker captures it,
// carries it over real TLS and HTTP/2 to pod B (whose home is the same worker) and dials B's
// application. Only the kernel's part is played by fakes: attestation, tagged sockets.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <mutex>

#include "base/content_id.h"
#include "proxy/worker.h"
#include "support/cert_fixture.h"
#include "support/wait_until.h"

namespace keelson::proxy {

constexpr uint64_t kCookieA = 0xa;
constexpr uint64_t kCookieB = 0xb;
constexpr uint64_t kDenyingSet = 77;
constexpr uint64_t kPolicy = 78;

// Port 15008 is fixed, so every test program has a loopback address of its own.
inline const std::string& own_address() {
  static const int pid = ::getpid();  // a forked child keeps its parent's
  static const std::string address =
      "127.77." + std::to_string((pid >> 8) & 0xff) + "." + std::to_string((pid & 0xff) | 1);
  return address;
}

inline Fd listen_at(const std::string& address, uint16_t port) {
  auto made = io::listen_tcp({*IpAddress::parse(address), port});
  EXPECT_TRUE(made) << made.error().message();
  return made ? std::move(*made) : Fd();
}

inline Endpoint local_of(int fd) {
  sockaddr_storage raw{};
  socklen_t length = sizeof raw;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&raw), &length);
  return *Endpoint::from_sockaddr(raw);
}

// A blocking socket that never waits longer than a test's patience.
inline Fd make_patient(Fd fd) {
  const timeval patience{10, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

struct FakeLog final : AccessLog {
  void write(const AccessRecord& record) override {
    const std::lock_guard lock(mutex);
    records.push_back(record);
  }
  uint64_t dropped() const override { return 0; }
  bool has(Path path, Reason reason) {
    const std::lock_guard lock(mutex);
    return std::any_of(records.begin(), records.end(), [&](const AccessRecord& record) {
      return record.path == path && record.reason == reason;
    });
  }
  AccessRecord get(Path path) {
    const std::lock_guard lock(mutex);
    for (const AccessRecord& record : records)
      if (record.path == path) return record;
    return {};
  }
  std::mutex mutex;
  std::vector<AccessRecord> records;
};

// What the kernel would vouch for. B's HBONE listener is the one at port 15008.
struct FakeFacts final : SocketFacts {
  explicit FakeFacts(const Endpoint& to) : destination(to) {}
  Result<ks_attestation> attestation(int fd) const override {
    if (is_lost) return fail(Reason::attestation_missing, ErrorSource::kKernel, "lost");
    ks_attestation record{};
    if (local_of(fd).port == KS_HBONE_PORT) {
      record.kind = KS_KIND_OUTSIDE;
      record.receiver_pod = kCookieB;
    } else {
      record.kind = KS_KIND_CAPTURE;
      record.source_pod = record.receiver_pod = kCookieA;
      record.original = record.chosen = destination.raw();
    }
    return record;
  }
  Result<void> write_note(int, const Endpoint& client) const override {
    const std::lock_guard lock(mutex);
    notes.push_back(client);
    return {};
  }
  const Endpoint destination;
  bool is_lost = false;
  mutable std::mutex mutex;
  mutable std::vector<Endpoint> notes;
};

struct FakeHold final : PodSockets {
  Result<link::PodListeners> listeners(const std::string& pod) override {
    link::PodListeners made;
    const auto role = pod == "uid-a" ? KS_ROLE_OUTBOUND : KS_ROLE_HBONE;
    const int fd = pod == "uid-a" ? outbound : hbone;
    made[static_cast<size_t>(KS_LISTENER_INDEX(0, KS_FAMILY_4, role))] = Fd(::dup(fd));
    return made;
  }
  Result<std::vector<Fd>> sockets(const SocketKind& kind, uint32_t count) override {
    if (is_dry) return fail(Reason::hold_unreachable, ErrorSource::kInternal, "away");
    std::vector<Fd> made;
    if (!premade.empty()) {
      for (; count > 0 && !premade.empty(); count--) {
        made.push_back(std::move(premade.back()));
        premade.pop_back();
      }
      return made;
    }
    for (uint32_t i = 0; i < count; i++)
      made.emplace_back(::socket(kind.family == KS_FAMILY_4 ? AF_INET : AF_INET6,
                                 SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    return made;
  }
  int outbound = -1;
  int hbone = -1;
  std::vector<Fd> premade;  // handed out first, when there are some
  std::atomic<bool> is_dry{false};
};

class WorkerTest : public testing::Test {
 protected:
  void SetUp() override { start(std::make_unique<FakeHold>()); }

  void start(std::unique_ptr<FakeHold> hold) {
    hold->outbound = outbound_.get();
    hold->hbone = hbone_.get();
    hold_ = hold.get();
    supply_ = std::make_unique<SocketSupply>(std::move(hold));
    worker_ = std::make_unique<Worker>(Worker::Parts{{0, 1}, *supply_, log_, clock_});
    ASSERT_TRUE(worker_->set_facts(facts_));
  }
  void TearDown() override {
    supply_->stop();
    worker_.reset();
    supply_.reset();
  }

  struct Shape {
    bool is_denying = false;
    bool has_certificates = true;
    bool is_ready = true;
    std::string without_certificate = {};  // this account only
    bool has_left = false;                 // A's pod
    bool has_receiver = true;              // B's pod, as one of this worker
    bool has_destination = true;           // B's address has an owner
  };
  void apply(const Shape& shape) {
    configure(shape);
    std::promise<void> taken;
    ASSERT_TRUE(worker_->apply(config_, [&] { taken.set_value(); }));
    taken.get_future().wait();
  }
  void configure(const Shape& shape) {
    auto runtime = std::make_shared<config::RuntimeConfig>();
    runtime->generation = ++generation_;
    runtime->trust_domain = "cluster.local";
    add_pod(*runtime, shape, make_pod("uid-a", "cart-1", kCookieA, 0), "127.0.0.1", "cart");
    add_pod(*runtime, shape, make_pod("uid-b", "pay-1", kCookieB, 1), own_address(), "pay");
    config::PolicySet denying;
    ks_policy row{};
    row.policy = kPolicy;
    row.verdict = KS_DENY;
    row.deny_matched = 1;
    denying.rows[{1, 0, 0}] = row;
    denying.identity_class_default = 1;
    denying.policy_names[kPolicy] = "shop/deny-all";
    runtime->policy_sets[kDenyingSet] = std::make_shared<const config::PolicySet>(denying);
    std::vector<Error> findings;
    config_ = make_serving_config(std::move(runtime), config_.get(), findings);
    ASSERT_TRUE(findings.empty());
  }
  // The worker's loop stands still, deaf to sockets, until the result is let go.
  std::unique_ptr<std::promise<void>> stop_loop() {
    auto gate = std::make_unique<std::promise<void>>();
    std::promise<void> stopped;
    EXPECT_TRUE(worker_->apply(config_, [&stopped, go_on = gate->get_future().share()] {
      stopped.set_value();
      go_on.wait();
    }));
    stopped.get_future().wait();
    return gate;
  }
  static config::LocalPod make_pod(const char* uid, const char* name, uint64_t cookie,
                                   uint32_t slot) {
    config::LocalPod pod;
    pod.uid = uid;
    pod.ns = "shop";
    pod.name = name;
    pod.netns_cookie = cookie;
    pod.slot = slot;
    return pod;
  }
  void add_pod(config::RuntimeConfig& runtime, const Shape& shape, config::LocalPod pod,
               const std::string& address, const std::string& account) {
    const std::string name = "cluster.local/ns/shop/sa/" + account;
    pod.identity = content_id("spiffe://" + name);
    pod.addresses = {*IpAddress::parse(address)};
    if (shape.is_denying && account == "pay") pod.policy_set = {kDenyingSet, 0};
    std::shared_ptr<const std::string> material;
    if (shape.has_certificates && shape.without_certificate != account) {
      auto& kept = materials_[account];
      if (!kept)
        kept = std::make_shared<const std::string>(
            tls::encode_key_material(mesh_.material("shop", account))->view());
      material = kept;
    }
    runtime.identities[pod.identity] =
        std::make_shared<const config::Identity>(config::Identity{name, material});
    if (account == "cart" || shape.has_destination)
      runtime.workloads[pod.addresses[0]] = std::make_shared<const config::Workload>(
          config::Workload{"shop/" + pod.name, pod.identity, "node-1", shape.is_ready});
    const std::string uid = pod.uid;
    if ((uid == "uid-a" && shape.has_left) || (uid == "uid-b" && !shape.has_receiver)) return;
    runtime.local_pods[uid] = std::make_shared<const config::LocalPod>(std::move(pod));
  }

  // What A's application does; the kernel would have steered it here.
  Fd dial() {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage to;
    const socklen_t length = local_of(outbound_.get()).to_sockaddr(to);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), length), 0);
    return make_patient(std::move(fd));
  }
  // B's application takes the next connection.
  Fd accept_app() {
    Fd fd;
    EXPECT_TRUE(test::wait_until([&] {
      fd.reset(::accept4(app_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      return static_cast<bool>(fd);
    }));
    return make_patient(std::move(fd));
  }
  static void say(const Fd& fd, const std::string& text) {
    ASSERT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  static std::string hear(const Fd& fd, size_t count) {
    std::string text(count, '\0');
    const ssize_t got = ::recv(fd.get(), text.data(), count, MSG_WAITALL);
    text.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return text;
  }
  // 0: an orderly end; else the errno of the read.
  static int wait_for_end(const Fd& fd) {
    char byte = 0;
    ssize_t got = 0;
    while ((got = ::recv(fd.get(), &byte, 1, 0)) > 0) {
    }
    return got == 0 ? 0 : errno;
  }
  bool is_counted(Reason reason) {
    return test::wait_until([&] { return worker_->stats().count_of(reason) > 0; });
  }

  const Fd outbound_ = listen_at("127.0.0.1", 0);
  const Fd hbone_ = listen_at(own_address(), KS_HBONE_PORT);
  const Fd app_ = listen_at(own_address(), 0);
  const std::shared_ptr<FakeFacts> facts_ = std::make_shared<FakeFacts>(local_of(app_.get()));
  test::TestMesh mesh_;
  std::map<std::string, std::shared_ptr<const std::string>> materials_;
  SystemClock clock_;
  FakeLog log_;
  ConfigLease config_;
  uint64_t generation_ = 0;
  FakeHold* hold_ = nullptr;
  std::unique_ptr<SocketSupply> supply_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace keelson::proxy
