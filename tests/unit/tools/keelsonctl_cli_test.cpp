#include "keelsonctl/cli.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "io/listener.h"

#include "keelsonctl/admin_client.h"
#include "keelsonctl/local_checks.h"
#include "served_admin.h"

namespace keelson::ctl {
namespace {

struct Outcome {
  int code = 0;
  std::string out, err;
};

Outcome run_with(std::vector<std::string> arguments, const std::string& checks_root = "",
                 bool is_tty = false) {
  std::ostringstream out, err;
  const int code =
      run(arguments, {.out = out, .err = err, .is_tty = is_tty, .checks_root = checks_root});
  return {code, out.str(), err.str()};
}

class Keelsonctl : public ::testing::Test {
 protected:
  Keelsonctl() {
    admin_.on_loop([this] {
      admin_.state.tasks.mark_done(admin::kTaskSourceRead);
      admin_.state.tasks.mark_done(admin::kTaskHoldConnected);
    });
  }
  Outcome ctl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--run-dir", admin_.run_dir()});
    return run_with(std::move(arguments));
  }
  admin::ServedAdmin admin_;
};

TEST_F(Keelsonctl, StatusOfAHealthyNodeExitsZero) {
  const auto result = ctl({"status"});
  EXPECT_EQ(result.code, kExitOk) << result.out << result.err;
  EXPECT_NE(result.out.find("√ agent         ready, version 0.1.0, pid 42"), std::string::npos);
}

TEST_F(Keelsonctl, StatusWithAFindingExitsOneAlsoAsJson) {
  admin_.on_loop([this] {
    admin_.state.mesh.live.findings.push_back(
        {model::Severity::kError, Reason::syntax_error, {"a.yaml", 3}, "", "broken", ""});
  });
  EXPECT_EQ(ctl({"status"}).code, kExitFindings);
  const auto json = ctl({"status", "-o", "json"});
  EXPECT_EQ(json.code, kExitFindings);
  EXPECT_EQ(json.out.substr(0, 15), "{\n  \"node\": \"n1");
}

TEST(KeelsonctlReasons, AreListedWithoutAnAgent) {
  const auto all = run_with({"--run-dir", "/nowhere", "reasons"});
  EXPECT_EQ(all.code, kExitOk) << all.err;
  EXPECT_NE(all.out.find("node and agent"), std::string::npos);
  const auto one = run_with({"reasons", "strict_plaintext"});
  EXPECT_EQ(
      one.out,
      "REASON            KIND                   MEANING\n"
      "strict_plaintext  refused in the kernel  PeerAuthentication STRICT refuses plaintext\n");
  EXPECT_EQ(run_with({"reasons", "strict_plaintext", "-o", "json"}).out,
            "[\n  {\n    \"kind\": \"refused in the kernel\",\n    \"meaning\": "
            "\"PeerAuthentication STRICT refuses plaintext\",\n    \"name\": "
            "\"strict_plaintext\"\n  }\n]\n");
  const auto none = run_with({"reasons", "strict"});
  EXPECT_EQ(none.code, kExitUsage);
  EXPECT_NE(none.err.find("no such reason: strict; keelsonctl reasons lists them"),
            std::string::npos)
      << none.err;
}

TEST_F(Keelsonctl, ReadyIsDecidedByTasksAndNotByFindings) {
  admin_.on_loop([this] {
    admin_.state.mesh.live.findings.push_back(
        {model::Severity::kError, Reason::syntax_error, {"a.yaml", 3}, "", "broken", ""});
  });
  const auto ready = ctl({"ready"});
  EXPECT_EQ(ready.code, kExitOk) << ready.out << ready.err;
  EXPECT_EQ(ready.out.substr(0, 6), "ready\n");
  admin_.on_loop(
      [this] { admin_.state.tasks.mark_missing(admin::kTaskHoldConnected, "no answer\x1b[2J"); });
  const auto missing = ctl({"ready"});
  EXPECT_EQ(missing.code, kExitFindings);
  EXPECT_NE(missing.out.find("missing hold_connected: no answer\\x1b[2J\n"), std::string::npos)
      << missing.out;
  EXPECT_EQ(run_with({"--run-dir", "/nonexistent", "ready"}).code, kExitCannotReach);
}

// A pod whose agent starts while the one that it replaces still answers is not ready: the first
// thing its probe asked was the old agent.
TEST_F(Keelsonctl, ReadyOfThisPodIsNotToldByTheAgentOfAnother) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to make a pid namespace";
  const auto own = ctl({"ready", "--own"});
  EXPECT_EQ(own.code, kExitOk) << own.out << own.err;
  int status = -1;
  std::thread([&] {  // what it forks from now on is in the other pod
    ASSERT_EQ(::unshare(CLONE_NEWPID), 0) << std::strerror(errno);
    const pid_t other = ::fork();
    if (other == 0) ::_exit(ctl({"ready", "--own"}).code);
    ::waitpid(other, &status, 0);
  })
      .join();
  ASSERT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(WEXITSTATUS(status), kExitCannotReach);
  EXPECT_EQ(ctl({"ready"}).code, kExitOk);
}

// Answers one request on cni.sock, as the agent's gate would.
class OneAnswer {
 public:
  OneAnswer(const std::string& path, const std::string& body) {
    listener_ = std::move(*io::listen_unix(path, 0600));
    const int flags = ::fcntl(listener_.get(), F_GETFL);
    EXPECT_EQ(0, ::fcntl(listener_.get(), F_SETFL, flags & ~O_NONBLOCK));
    thread_ = std::thread([this, body] {
      const Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      char bytes[4096];
      while (!asked.ends_with("{}")) {
        const ssize_t n = ::recv(client.get(), bytes, sizeof bytes, 0);
        if (n <= 0) break;
        asked.append(bytes, static_cast<size_t>(n));
      }
      const std::string text =
          "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
      EXPECT_EQ(static_cast<ssize_t>(text.size()),
                ::send(client.get(), text.data(), text.size(), 0));
    });
  }
  ~OneAnswer() { thread_.join(); }
  OneAnswer(const OneAnswer&) = delete;
  OneAnswer& operator=(const OneAnswer&) = delete;

  std::string asked;

 private:
  Fd listener_;
  std::thread thread_;
};

TEST_F(Keelsonctl, UninstallAsksTheGateAndTellsWhatFailed) {
  const std::string socket = admin_.run_dir() + "/cni.sock";
  {
    const OneAnswer gate(socket, R"({"code":0,"msg":"","details":""})");
    const auto done = ctl({"uninstall"});
    EXPECT_EQ(done.code, kExitOk) << done.err;
    EXPECT_EQ(gate.asked.substr(0, 16), "POST /uninstall ");
  }
  {
    const OneAnswer gate(socket, R"({"code":5,"msg":"unlink: read-only","details":"by hand"})");
    const auto failed = ctl({"uninstall"});
    EXPECT_EQ(failed.code, kExitFindings);
    EXPECT_EQ(failed.err, "error: unlink: read-only (io_error)\nnext: by hand\n");
  }
  EXPECT_EQ(run_with({"--run-dir", "/nonexistent", "uninstall"}).code, kExitCannotReach);
}

TEST_F(Keelsonctl, WhyShowsTheChainAndExitsByItsResult) {
  const auto whole = ctl({"why", "shop/web-1", "shop/pay:80"});
  EXPECT_EQ(whole.code, kExitOk) << whole.out << whole.err;
  EXPECT_NE(whole.out.find("allowed, path direct"), std::string::npos) << whole.out;
  const auto broken = ctl({"why", "shop/web-1", "shop/nope"});
  EXPECT_EQ(broken.code, kExitFindings);
  EXPECT_NE(broken.out.find("broken at name"), std::string::npos) << broken.out;
  EXPECT_NE(broken.out.find("mend: kubectl get services,pods -n shop"), std::string::npos);
}

TEST_F(Keelsonctl, ConfigPrintsEachTable) {
  EXPECT_NE(ctl({"config", "workloads"}).out.find("cluster.local/ns/shop/sa/web"),
            std::string::npos);
  EXPECT_NE(ctl({"config", "services"}).out.find("kernel"), std::string::npos);
  EXPECT_EQ(ctl({"config", "routes"}).out.substr(0, 7), "SERVICE");
  const auto policies = ctl({"config", "policies"});
  EXPECT_EQ(policies.code, kExitOk);
  EXPECT_EQ(policies.out.substr(0, 9), "NAMESPACE");
}

TEST_F(Keelsonctl, BpfShowsWhatTheKernelHoldsAndWhose) {
  EXPECT_NE(ctl({"bpf", "programs"}).out.find("ks_connect4   11  cgroup_sock_addr"),
            std::string::npos);
  const auto links = ctl({"bpf", "links"});
  EXPECT_EQ(links.code, kExitOk) << links.err;
  EXPECT_NE(links.out.find("shop/web-1"), std::string::npos) << links.out;
  EXPECT_NE(links.err.find("hang where no pod of this node is"), std::string::npos) << links.err;
  EXPECT_NE(ctl({"bpf", "maps"}).out.find("ks_pod"), std::string::npos);
  EXPECT_EQ(ctl({"bpf", "map", "ks_pod"}).code, kExitOk);
  const auto unknown = ctl({"bpf", "map", "ks_nope"});
  EXPECT_EQ(unknown.code, kExitFindings);
  EXPECT_NE(unknown.err.find("ks_nope is no configuration map"), std::string::npos) << unknown.err;
}

TEST_F(Keelsonctl, RawPassesAnAnswerOnAndItsStatusAsExitCode) {
  const auto status = ctl({"raw", "/v1/status"});
  EXPECT_EQ(status.code, kExitOk) << status.err;
  EXPECT_EQ(status.out.substr(0, 12), "{\"node\":\"n1\"");
  EXPECT_EQ(ctl({"raw", "/v1/nothing"}).code, kExitFindings);
  EXPECT_EQ(ctl({"raw", "/v1/why"}).code, kExitUsage);
  admin_.on_loop([this] { admin_.state.tasks.mark_missing(admin::kTaskHoldConnected, "no"); });
  const auto unready = ctl({"raw", "/readyz"});
  EXPECT_EQ(unready.code, kExitCannotReach);
  EXPECT_EQ(unready.out.substr(0, 9), "not ready");
  admin_.on_loop([this] { admin_.flows.add(admin::denied_event()); });
  EXPECT_EQ(ctl({"raw", "--lines", "/v1/observe?last=5"}).out.substr(0, 8), "{\"time\":");
}

// The reader of a stream in a pod goes without a word: on a quiet node nothing is written that
// fails.
TEST_F(Keelsonctl, RawStopsAQuietStreamWhenItsInputEnds) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Fd in(ends[0]);
  Fd writer(ends[1]);
  writer.reset();
  std::ostringstream out, err;
  const int code =
      run({"--run-dir", admin_.run_dir(), "raw", "--lines", "--until-eof", "/v1/observe?follow=1"},
          {.out = out, .err = err, .checks_root = {}, .in = in.get()});
  EXPECT_EQ(code, kExitOk) << err.str();
}

TEST_F(Keelsonctl, StatusShowsTheFirstCall) {
  admin_.on_loop([this] { admin_.flows.add(admin::denied_event()); });
  const auto status = ctl({"status"});
  EXPECT_NE(status.out.find("10.1.0.2  10.96.0.1:80"), std::string::npos) << status.out;
}

TEST_F(Keelsonctl, ObserveShowsRecordedFlowsFiltered) {
  admin_.on_loop([this] {
    admin_.flows.add(admin::denied_event(Reason::not_allowed));
    admin_.flows.add(admin::denied_event(Reason::policy_denied));
  });
  const auto all = ctl({"observe", "--last", "10"});
  EXPECT_EQ(all.code, kExitOk) << all.err;
  EXPECT_EQ(std::count(all.out.begin(), all.out.end(), '\n'), 2) << all.out;
  const auto one = ctl({"observe", "--reason", "policy_denied", "-o", "json"});
  EXPECT_EQ(std::count(one.out.begin(), one.out.end(), '\n'), 1) << one.out;
  EXPECT_NE(one.out.find("\"reason\":\"policy_denied\""), std::string::npos);
  EXPECT_EQ(ctl({"observe", "--verdict", "allowed"}).out, "");
}

TEST_F(Keelsonctl, FollowedFlowsComeWhileTheyHappen) {
  AdminClient client(admin_.socket_path(), std::chrono::seconds(5));
  admin_.on_loop([this] { admin_.flows.add(admin::denied_event()); });
  int lines = 0;
  const auto reply =
      client.stream("/v1/observe", {{"follow", "1"}, {"last", "1"}}, [&](std::string_view line) {
        EXPECT_EQ(line.front(), '{');
        if (++lines == 1) admin_.on_loop([this] { admin_.flows.add(admin::denied_event()); });
        return lines < 2;
      });
  EXPECT_TRUE(reply) << reply.error().message();
  EXPECT_EQ(lines, 2);
}

TEST_F(Keelsonctl, CheckAsksTheAgentThatAnswers) {
  const auto result = ctl({"check"});
  EXPECT_EQ(result.code, kExitOk);
  EXPECT_NE(result.out.find("√ kernel has BTF"), std::string::npos);
  EXPECT_EQ(result.err, "");
}

TEST_F(Keelsonctl, VersionShowsBothSides) {
  const auto result = ctl({"version"});
  EXPECT_EQ(result.code, kExitOk);
  EXPECT_NE(result.out.find("agent      0.1.0 on node n1"), std::string::npos) << result.out;
}

TEST(KeelsonctlAlone, SaysThatTheAgentCannotBeReachedAndWhatToDo) {
  const auto result = run_with({"--run-dir", "/nonexistent", "status"});
  EXPECT_EQ(result.code, kExitCannotReach);
  EXPECT_EQ(result.out, "");
  EXPECT_NE(result.err.find("(cannot_reach)"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("No such file or directory"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("next: keelsonctl check"), std::string::npos);
}

TEST(KeelsonctlAlone, TellsItsVersionWithoutAnAgent) {
  const auto result = run_with({"--version"});
  EXPECT_EQ(result.code, kExitOk);
  EXPECT_EQ(result.out, "keelsonctl 0.1.0\n");
}

TEST(KeelsonctlAlone, WrongUsageExitsTwo) {
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"explode"},
                                             {"status", "-o", "xml"},
                                             {"why", "shop/web-1"},
                                             {"why", "web-1", "shop/pay"},
                                             {"why", "shop/web-1", "shop/pay:"},
                                             {"config"},
                                             {"bpf"},
                                             {"bpf", "map"},
                                             {"raw", "v1/status"},
                                             {"check", "--root", "/host"},
                                             {"observe", "--reason", "no_such_reason"},
                                             {"--node", "../etc", "status"},
                                             {"--node", "n1", "--run-dir", "/x", "status"}})
    EXPECT_EQ(run_with(arguments).code, kExitUsage) << ::testing::PrintToString(arguments);
  EXPECT_EQ(run_with({"--help"}).code, kExitOk);
}

class MadeUpKernelProbe final : public KernelProbe {
 public:
  std::vector<datapath::KernelCheck> features() const override {
    return {{"program sk_lookup", level, "does not load", "use another kernel"}};
  }
  Result<std::vector<datapath::Neighbour>> programs_at_root() const override { return programs; }

  datapath::CheckLevel level = datapath::CheckLevel::kOk;
  std::vector<datapath::Neighbour> programs;
};

class MadeUpMachine : public ::testing::Test {
 protected:
  MadeUpMachine() {
    std::string path = "/tmp/keelson-ctl-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) abort();
    root_ = path;
    write("/proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
    write("/proc/sys/net/core/bpf_jit_enable", "1\n");
    write("/proc/self/status", "Name:\tx\nCapEff:\t000001ffffffffff\n");
    write("/proc/self/mounts",
          "bpf /sys/fs/bpf bpf rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
    write("/sys/kernel/btf/vmlinux", "x");
  }
  ~MadeUpMachine() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& content) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << content;
  }
  Outcome check() { return run_with({"--run-dir", "/nonexistent", "check"}, root_); }
  Outcome check_pre() {
    std::ostringstream out, err;
    const int code = run({"check", "--pre", "--root", root_},
                         {.out = out, .err = err, .checks_root = {}, .kernel = &kernel_});
    return {code, out.str(), err.str()};
  }
  std::string root_;
  MadeUpKernelProbe kernel_;
};

TEST_F(MadeUpMachine, GoodOnePassesAndSaysThatNoAgentAnswered) {
  const auto result = check();
  EXPECT_EQ(result.code, kExitOk) << result.out;
  EXPECT_NE(result.out.find("Check results are √"), std::string::npos);
  EXPECT_NE(result.err.find("no agent answers"), std::string::npos);
}

TEST_F(MadeUpMachine, PreAsksNoAgentAndPassesOnANodeWithAPlainNetworkPlugin) {
  write("/etc/cni/net.d/10-calico.conflist",
        R"({"plugins":[{"type":"calico"},{"type":"portmap"}]})");
  const auto result = check_pre();
  EXPECT_EQ(result.code, kExitOk) << result.out;
  EXPECT_EQ(result.err, "");
  EXPECT_NE(result.out.find("√ program sk_lookup"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("Check results are √"), std::string::npos) << result.out;
}

// As kubelet leaves them on nodes of these kinds; recorded, not run.
TEST_F(MadeUpMachine, PreNamesWhoIsInTheWayWithTheSettingThatHelps) {
  write("/etc/cni/net.d/05-cilium.conflist",
        R"({"cniVersion":"0.3.1","name":"cilium","plugins":[{"type":"cilium-cni"}]})");
  write("/etc/cni/net.d/00-multus.conf", R"({"type":"multus-shim","name":"multus-cni-network"})");
  write("/etc/cni/net.d/99-broken.conf", "{");
  write("/sys/fs/bpf/keelson/ks_pod", "");
  kernel_.programs = {{"connect4", 31, "cil_sock4_conne"}};
  kernel_.level = datapath::CheckLevel::kError;
  const auto result = check_pre();
  EXPECT_EQ(result.code, kExitFindings);
  for (const char* text : {"× program sk_lookup", "05-cilium.conflist: Cilium moves",
                           "cni.exclusive=false", "00-multus.conf: Multus makes",
                           "socketLB.hostNamespaceOnly=true", "/sys/fs/bpf/keelson is there"})
    EXPECT_NE(result.out.find(text), std::string::npos) << text << "\n" << result.out;
}

TEST_F(MadeUpMachine, PreWithoutRightsSaysWhatItCouldNotAsk) {
  write("/proc/self/status", "CapEff:\t0000000000000000\n");
  kernel_.level = datapath::CheckLevel::kError;
  const auto result = check_pre();
  EXPECT_EQ(result.code, kExitOk) << result.out;
  EXPECT_NE(result.out.find("- features that the data path needs"), std::string::npos)
      << result.out;
  EXPECT_NE(result.out.find("run keelsonctl check --pre as root"), std::string::npos);
  EXPECT_NE(result.out.find("‼ a network plugin is configured"), std::string::npos);
}

// In a pod, /host is the node: its process 1 sees the node's mounts, ours the container's.
TEST_F(MadeUpMachine, TheMountsAreThoseOfProcessOne) {
  write("/proc/1/mounts", "tmpfs /tmp tmpfs rw 0 0\n");
  EXPECT_NE(check().out.find("× cgroup v2 is mounted"), std::string::npos);
}

TEST_F(MadeUpMachine, EachLackIsSaidWithItsFix) {
  write("/proc/sys/kernel/osrelease", "5.10.0\n");
  write("/proc/sys/net/core/bpf_jit_enable", "0\n");
  write("/proc/self/status", "CapEff:\t0000000000000000\n");
  write("/proc/self/mounts", "tmpfs /tmp tmpfs rw 0 0\n");
  std::filesystem::remove(root_ + "/sys/kernel/btf/vmlinux");
  const auto result = check();
  EXPECT_EQ(result.code, kExitFindings);
  for (const char* text :
       {"‼ kernel release", "× kernel has BTF", "‼ BPF JIT", "× bpf file system is mounted",
        "fix: mount -t bpf bpf /sys/fs/bpf", "× cgroup v2 is mounted",
        "lacks CAP_BPF CAP_NET_ADMIN", "Check results are ×"})
    EXPECT_NE(result.out.find(text), std::string::npos) << text << "\n" << result.out;
}

}  // namespace
}  // namespace keelson::ctl
