#include "lab_supervisor.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "lab_cleanup.h"
#include "lab_command.h"
#include "lab_control.h"

namespace keelson::lab {

using namespace std::chrono_literals;

namespace {

constexpr auto kProbePeriod = 50ms;
constexpr auto kStableAfter = 2s;  // a child that lived this long is restarted at once
constexpr auto kBackoffFirst = 50ms;
constexpr auto kBackoffLast = 2s;
constexpr auto kTermGrace = 3s;

bool has_ended(const Fd& pidfd, int wait_ms) {
  pollfd watch{pidfd.get(), POLLIN, 0};
  return ::poll(&watch, 1, wait_ms) > 0;
}

Result<Fd> block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return fail_errno(Reason::io_error, errno, "signalfd");
  return fd;
}

}  // namespace

Supervisor::Supervisor(const Layout& layout, const std::vector<SourceFile>& manifests, Fd lifeline)
    : layout_(layout),
      manifests_(manifests),
      lifeline_(std::move(lifeline)),
      network_(layout_),
      book_(layout_) {}

Result<void> Supervisor::run(const std::function<void()>& on_up) {
  KS_ASSIGN(signals_, block_signals());
  KS_ASSIGN(Fd lock, take_lock(layout_));
  KS_TRY(remove_all(layout_));
  auto outcome = build();
  if (outcome) {
    on_up();
    outcome = serve();
  }
  end_all();
  auto removed = remove_all(layout_);
  release_lock(layout_, std::move(lock));
  return outcome ? removed : outcome;
}

Result<void> Supervisor::build() {
  KS_TRY(make_dirs(layout_.run_root()));
  KS_ASSIGN(ProcessId self, identify(::getpid()));
  KS_TRY(record_pid(layout_.supervisor_pid_file(), self));
  for (const std::string& path : {layout_.objects_dir(), layout_.nodestate_dir(), layout_.pid_dir(),
                                  layout_.scratch_dir(), layout_.run_root() + "/hosts"})
    KS_TRY(make_dirs(path));
  KS_ASSIGN(std::string cgroup2, find_cgroup2());
  cgroup_root_ = cgroup2 + "/" + layout_.prefix;
  for (const std::string& node : layout_.nodes) {
    for (const std::string& path :
         {layout_.run_dir(node), layout_.bpffs(node), layout_.log_dir(node)})
      KS_TRY(make_dirs(path));
    KS_TRY(make_dirs(layout_.state_dir(node), 0700));
    if (::mount("keelson-lab", layout_.bpffs(node).c_str(), "bpf", 0, nullptr) != 0)
      return fail_errno(Reason::io_error, errno, "mount bpffs " + layout_.bpffs(node));
  }
  KS_TRY(network_.make_nodes());
  KS_ASSIGN(control_, listen_control(layout_));
  KS_TRY(book_.apply(manifests_));
  // Objects and pods first: an agent that starts finds a complete node, as after a reboot.
  KS_TRY(reconcile());
  for (const std::string& node : layout_.nodes) add_components(node);
  start_due_children();
  return {};
}

Result<void> Supervisor::serve() {
  while (!is_ending_) {
    std::vector<pollfd> watched = {{signals_.get(), POLLIN, 0}, {control_.get(), POLLIN, 0}};
    watched.push_back({lifeline_.get(), POLLIN, 0});  // a negative fd is ignored
    std::vector<std::string> names;
    for (const auto& [name, child] : children_) {
      if (!child.is_running) continue;
      watched.push_back({child.process.pidfd.get(), POLLIN, 0});
      names.push_back(name);
    }
    if (::poll(watched.data(), watched.size(), poll_timeout_ms()) < 0 && errno != EINTR)
      return fail_errno(Reason::io_error, errno, "poll");
    if (watched[0].revents != 0 || watched[2].revents != 0) break;
    for (size_t i = 0; i < names.size(); ++i)
      if (watched[i + 3].revents != 0) on_child_end(names[i], children_.at(names[i]));
    if (watched[1].revents != 0) answer_request();
    start_due_children();
    KS_TRY(refresh_ready());
  }
  return {};
}

void Supervisor::end_all() {
  for (auto& [name, child] : children_) {
    child.is_wanted = false;
    if (child.is_running) {
      [[maybe_unused]] auto told = signal_process(child.process.id, SIGTERM);
    }
  }
  auto deadline = clock_.now() + kTermGrace;
  for (auto& [name, child] : children_) {
    if (!child.is_running) continue;
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock_.now());
    if (!has_ended(child.process.pidfd, std::max<int>(0, static_cast<int>(left.count())))) {
      [[maybe_unused]] auto killed = signal_process(child.process.id, SIGKILL);
    }
    ::waitpid(child.process.id.pid, nullptr, 0);
  }
  children_.clear();
}

// ---- objects and pods ------------------------------------------------------------------------

Result<void> Supervisor::reconcile() {
  std::vector<std::pair<std::string, RunningPod>> gone;
  for (const auto& [name, pod] : running_) {
    auto wanted = book_.pods().find(name);
    if (wanted == book_.pods().end() || wanted->second.uid != pod.uid) gone.emplace_back(name, pod);
  }
  // As in a cluster: endpoints lose the pod before its processes are told to end.
  if (!gone.empty()) KS_TRY(write_objects());
  for (const auto& [name, pod] : gone) stop_pod(name, pod);
  KS_TRY(write_hosts());
  const auto pods = book_.pods();
  for (const auto& [name, pod] : pods)
    if (!running_.contains(name)) KS_TRY(start_pod(pod));
  return write_objects();
}

Result<void> Supervisor::write_objects() {
  auto files = book_.files();
  for (const auto& [name, text] : files) {
    auto old = written_.find(name);
    if (old != written_.end() && old->second == text) continue;
    KS_TRY(replace_file(layout_.objects_dir() + "/" + name, text, layout_.scratch_dir()));
  }
  for (const auto& [name, text] : written_)
    if (!files.contains(name)) ::unlink((layout_.objects_dir() + "/" + name).c_str());
  written_ = std::move(files);
  KS_TRY(write_hosts());
  return network_.set_services(book_.virtual_services());
}

Result<void> Supervisor::write_hosts() {
  // Written in place: pods have this very inode mounted over their /etc/hosts.
  auto hosts = book_.hosts();
  for (const auto& [ns, text] : hosts)
    if (written_hosts_[ns] != text) KS_TRY(write_file(layout_.hosts_file(ns), text));
  written_hosts_ = std::move(hosts);
  return {};
}

Result<void> Supervisor::start_pod(const LabPod& pod) {
  KS_TRY(network_.make_pod(pod.node, pod.name, pod.slot));
  running_[pod.name] = {pod.uid, pod.node, pod.slot};
  std::string folder = layout_.pod_dir(pod.node, pod.name);
  KS_TRY(make_dirs(folder));
  std::vector<std::string> hidden;
  for (const std::string& node : layout_.nodes) hidden.push_back(layout_.bpffs(node));
  for (const PodProgram& program : pod.programs) {
    Child child;
    child.pod = pod.name;
    child.spec.argv = program.argv;
    child.spec.environment = program.environment;
    child.spec.environment["KEELSON_POD"] = pod.name;
    child.spec.environment["KEELSON_NAMESPACE"] = pod.ns;
    child.spec.environment["KEELSON_NODE"] = pod.node;
    child.spec.environment["KEELSON_POD_IP"] =
        pod_address4(layout_.node_number(pod.node), pod.slot);
    child.spec.working_dir = program.working_dir.empty() ? folder : program.working_dir;
    child.spec.log_file = layout_.pod_log(pod.node, pod.name);
    child.spec.sandbox = {netns_path(layout_.netns(pod.node, pod.name)),
                          fmt::format("{}/{}/{}", cgroup_root_, pod.node, pod.name),
                          layout_.hosts_file(pod.ns), hidden};
    add_child(fmt::format("pod:{}/{}", pod.name, program.container), std::move(child));
  }
  start_due_children();
  if (pod.readiness_port == 0) book_.set_ready(pod.name, true);
  return {};
}

void Supervisor::stop_pod(const std::string& name, const RunningPod& pod) {
  for (auto it = children_.begin(); it != children_.end();) {
    if (it->second.pod != name) {
      ++it;
      continue;
    }
    stop_child(it->second);
    ::unlink(it->second.pid_file.c_str());
    it = children_.erase(it);
  }
  if (auto removed = network_.remove_pod(pod.node, name, pod.slot); !removed)
    fmt::print(stderr, "pod {}: {}\n", name, describe(removed.error()));
  ::rmdir(fmt::format("{}/{}/{}", cgroup_root_, pod.node, name).c_str());
  running_.erase(name);
}

bool Supervisor::answers_probe(const LabPod& pod) const {
  bool answers = false;
  auto tried = in_netns(netns_path(layout_.netns(pod.node)), [&]() -> Result<void> {
    KS_ASSIGN(auto address,
              IpAddress::parse(pod_address4(layout_.node_number(pod.node), pod.slot)));
    sockaddr_storage to{};
    socklen_t length = Endpoint{address, static_cast<uint16_t>(pod.readiness_port)}.to_sockaddr(to);
    Fd probe(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    ::connect(probe.get(), reinterpret_cast<sockaddr*>(&to), length);
    pollfd watch{probe.get(), POLLOUT, 0};
    int error = 0;
    socklen_t size = sizeof error;
    answers = ::poll(&watch, 1, 20) > 0 &&
              ::getsockopt(probe.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
    return {};
  });
  return tried && answers;
}

Result<void> Supervisor::refresh_ready() {
  bool has_changed = false;
  const auto pods = book_.pods();
  for (const auto& [name, pod] : pods) {
    if (pod.ready || pod.readiness_port == 0 || !answers_probe(pod)) continue;
    book_.set_ready(name, true);
    has_changed = true;
  }
  if (has_changed) return write_objects();
  return {};
}

// ---- children --------------------------------------------------------------------------------

void Supervisor::add_components(const std::string& node) {
  for (Component component : kComponents) {
    if (layout_.is_without(component)) continue;
    Child child;
    child.spec.argv = layout_.component_command(node, component);
    child.spec.log_file = layout_.component_log(node, component);
    child.spec.sandbox.netns = netns_path(layout_.netns(node));
    child.spec.sandbox.cgroup =
        fmt::format("{}/{}/keelson-{}", cgroup_root_, node, component_name(component));
    add_child(fmt::format("{}@{}", component_name(component), node), std::move(child));
    start_due_children();
  }
}

void Supervisor::add_child(const std::string& name, Child child) {
  std::string file = name;
  std::replace(file.begin(), file.end(), '/', '.');
  child.pid_file = layout_.pid_dir() + "/" + file;
  children_[name] = std::move(child);
}

void Supervisor::start_child(const std::string& name, Child& child) {
  child.started = clock_.now();
  auto process = start(child.spec);
  if (!process) {
    child.last_failure = describe(process.error());
    child.next_start = clock_.now() + kBackoffLast;
    fmt::print(stderr, "{}: {}\n", name, child.last_failure);
    return;
  }
  child.process = std::move(*process);
  child.is_running = true;
  if (auto recorded = record_pid(child.pid_file, child.process.id); !recorded)
    fmt::print(stderr, "{}: {}\n", name, describe(recorded.error()));
}

void Supervisor::on_child_end(const std::string& name, Child& child) {
  int status = 0;
  ::waitpid(child.process.id.pid, &status, 0);
  child.is_running = false;
  child.process.pidfd.reset();
  child.last_failure = WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status))
                                           : fmt::format("exit code {}", WEXITSTATUS(status));
  ::unlink(child.pid_file.c_str());
  fmt::print(stderr, "{}: {}\n", name, child.last_failure);
  bool was_stable = clock_.now() - child.started >= kStableAfter;
  const bool was_killed = std::exchange(child.was_killed, false);
  child.quick_ends = was_stable || was_killed ? 0 : child.quick_ends + 1;
  ++child.restarts;
  // kubelet's back-off starts at 10 s; a lab is for the impatient.
  std::chrono::milliseconds wait = kBackoffFirst;
  for (int i = 1; i < child.quick_ends && wait < kBackoffLast; ++i) wait *= 2;
  child.next_start = clock_.now() + std::min<std::chrono::milliseconds>(wait, kBackoffLast);
}

void Supervisor::stop_child(Child& child) {
  if (!child.is_running) return;
  [[maybe_unused]] auto told = signal_process(child.process.id, SIGTERM);
  constexpr int kGraceMs = 1000;
  if (!has_ended(child.process.pidfd, kGraceMs)) {
    [[maybe_unused]] auto killed = signal_process(child.process.id, SIGKILL);
  }
  ::waitpid(child.process.id.pid, nullptr, 0);
  child.is_running = false;
}

void Supervisor::start_due_children() {
  for (auto& [name, child] : children_)
    if (child.is_wanted && !child.is_running && clock_.now() >= child.next_start)
      start_child(name, child);
}

int Supervisor::poll_timeout_ms() const {
  auto wait = std::chrono::milliseconds(10s);
  auto now = clock_.now();
  for (const auto& [name, child] : children_)
    if (child.is_wanted && !child.is_running)
      wait = std::min(wait, std::chrono::ceil<std::chrono::milliseconds>(child.next_start - now));
  for (const auto& [name, pod] : book_.pods())
    if (!pod.ready) wait = std::min<std::chrono::milliseconds>(wait, kProbePeriod);
  return std::max<int>(0, static_cast<int>(wait.count()));
}

}  // namespace keelson::lab
