#include "netns/hold_process.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "keelson_abi/abi.h"
#include "link/seqpacket.h"

namespace keelson::netns_test {

void run(const std::string& command) {
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

Namespace::Namespace(const std::string& name) : name_(scratch().prefix + "-" + name) {
  netns_test::run("ip netns add " + name_ + " && ip -n " + name_ + " link set lo up");
}

Namespace::~Namespace() {
  if (std::system(("ip netns del " + name_).c_str()) != 0) ADD_FAILURE() << "left " << name_;
}

void Namespace::run(const std::string& command) const {
  netns_test::run("ip netns exec " + name_ + " " + command);
}

void Namespace::inside(const std::function<void()>& work) const {
  const Fd home(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  const Fd target(::open(path().c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::setns(target.get(), CLONE_NEWNET), 0);
  work();
  if (::setns(home.get(), CLONE_NEWNET) != 0) std::abort();
}

Fd Namespace::socket(int domain, int type, int protocol) const {
  Fd made;
  inside([&] { made = Fd(::socket(domain, type | SOCK_CLOEXEC, protocol)); });
  EXPECT_TRUE(made);
  return made;
}

void connect_pod(const Namespace& node, const Namespace& pod, const std::string& host_name,
                 const std::string& address) {
  run("ip link add " + host_name + " netns " + node.name() + " type veth peer name eth0 netns " +
      pod.name());
  run("ip -n " + node.name() + " link set " + host_name + " up");
  run("ip -n " + pod.name() + " link set eth0 up");
  if (!address.empty()) run("ip -n " + pod.name() + " addr add " + address + " dev eth0");
}

uint64_t netns_cookie(const Fd& socket) {
  uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  EXPECT_EQ(::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length), 0);
  return cookie;
}

uint64_t socket_cookie(const Fd& socket) {
  uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  EXPECT_EQ(::getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &cookie, &length), 0);
  return cookie;
}

Fd make_tag_map() {
  // A socket storage map must describe its key and value in BTF.
  btf* types = btf__new_empty();
  const int key = btf__add_int(types, "int", 4, BTF_INT_SIGNED);
  const int word = btf__add_int(types, "__u64", 8, 0);
  const int value = btf__add_struct(types, "ks_tag", sizeof(ks_tag));
  btf__add_field(types, "pod", word, 0, 0);
  btf__add_field(types, "role_and_pad", word, 64, 0);
  EXPECT_EQ(btf__load_into_kernel(types), 0);
  LIBBPF_OPTS(bpf_map_create_opts, options);
  options.btf_fd = static_cast<__u32>(btf__fd(types));
  options.btf_key_type_id = static_cast<__u32>(key);
  options.btf_value_type_id = static_cast<__u32>(value);
  options.map_flags = BPF_F_NO_PREALLOC | BPF_F_CLONE;
  Fd map(
      bpf_map_create(BPF_MAP_TYPE_SK_STORAGE, "ks_tag", sizeof(int), sizeof(ks_tag), 0, &options));
  EXPECT_TRUE(map);
  btf__free(types);
  return map;
}

HoldProcess::HoldProcess(const Namespace& node, std::string run_dir, const std::string& extra)
    : run_dir_(std::move(run_dir)) {
  const char* folder = std::getenv("KEELSON_BIN");
  const std::string binary = std::string(folder != nullptr ? folder : "bin") + "/keelson-hold";
  const Fd target(::open(node.path().c_str(), O_RDONLY | O_CLOEXEC));
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::setns(target.get(), CLONE_NEWNET) != 0) ::_exit(126);
    const std::string uid = extra.empty() ? "65532" : extra;
    ::execl(binary.c_str(), "keelson-hold", "--run-dir", run_dir_.c_str(), "--allow-proxy-uid",
            uid.c_str(), nullptr);
    ::_exit(127);
  }
  for (int i = 0; i < 500; ++i) {
    if (link::connect_seqpacket(socket_path())) return;
    ::poll(nullptr, 0, 10);
  }
  ADD_FAILURE() << binary << " did not start";
}

void HoldProcess::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

HoldProcess::~HoldProcess() {
  kill();
}

}  // namespace keelson::netns_test
