#include "lab_client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "lab_cleanup.h"
#include "lab_command.h"
#include "lab_control.h"

namespace keelson::lab {

using nlohmann::json;

namespace {

Result<std::pair<Fd, Fd>> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(Reason::io_error, errno, "pipe2");
  return std::make_pair(Fd(ends[0]), Fd(ends[1]));
}

std::vector<std::string> supervise_command(const Layout& layout, const StartOptions& options,
                                           int report, int lifeline) {
  std::vector<std::string> argv = {layout.bin_dir + "/lab",
                                   "--prefix",
                                   layout.prefix,
                                   "supervise",
                                   "--nodes",
                                   fmt::format("{}", fmt::join(layout.nodes, ",")),
                                   "--report-fd",
                                   std::to_string(report)};
  if (lifeline >= 0) argv.insert(argv.end(), {"--lifeline-fd", std::to_string(lifeline)});
  if (!options.manifests.empty()) argv.insert(argv.end(), {"--manifests", options.manifests});
  for (Component component : layout.without)
    argv.insert(argv.end(), {"--without", std::string(component_name(component))});
  if (layout.proxy_workers != 0)
    argv.insert(argv.end(), {"--proxy-workers", std::to_string(layout.proxy_workers)});
  for (const auto& [name, value] : layout.sysctls)
    argv.insert(argv.end(), {"--sysctl", name + "=" + value});
  return argv;
}

// The child of a child, so that nobody has to wait for the supervisor.
void spawn_detached(const std::vector<std::string>& words, const std::vector<int>& keep_open) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t middle = ::fork();
  if (middle != 0) {
    int status = 0;
    while (middle > 0 && ::waitpid(middle, &status, 0) < 0 && errno == EINTR) {
    }
    return;
  }
  if (::fork() != 0) ::_exit(0);
  ::setsid();
  for (int fd : keep_open) ::fcntl(fd, F_SETFD, 0);
  int null = ::open("/dev/null", O_RDWR);
  for (int fd : {0, 1, 2}) ::dup2(null, fd);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

Result<json> ask_text(const Layout& layout, json request) {
  return ask(layout, request);
}

}  // namespace

const PodStatus* LabStatus::pod(std::string_view name) const {
  for (const PodStatus& candidate : pods)
    if (candidate.name == name) return &candidate;
  return nullptr;
}

const ProcessStatus* LabStatus::process(std::string_view name) const {
  for (const ProcessStatus& candidate : processes)
    if (candidate.name == name) return &candidate;
  return nullptr;
}

Result<void> Client::up(const StartOptions& options) {
  KS_ASSIGN(auto report, make_pipe());
  auto& [report_read, report_write] = report;
  Fd lifeline_read;
  if (options.ends_with_us) {
    KS_ASSIGN(auto lifeline, make_pipe());
    lifeline_read = std::move(lifeline.first);
    lifeline_ = std::move(lifeline.second);
  }
  std::vector<int> keep_open = {report_write.get()};
  if (lifeline_read) keep_open.push_back(lifeline_read.get());
  spawn_detached(supervise_command(layout_, options, report_write.get(), lifeline_read.get()),
                 keep_open);
  report_write.reset();
  // "up", or why not; nothing at all when the supervisor could not even start.
  std::string text;
  char part[1024];
  for (ssize_t n; (n = ::read(report_read.get(), part, sizeof part)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    text.append(part, static_cast<size_t>(n));
  }
  if (text == "up") return {};
  if (text.empty()) text = layout_.bin_dir + "/lab cannot be run";
  return fail(Reason::io_error, ErrorSource::kConfig, text);
}

Result<void> Client::down() {
  lifeline_.reset();
  using namespace std::chrono_literals;
  if (auto supervisor = recorded_pid(layout_.supervisor_pid_file()); supervisor) {
    [[maybe_unused]] auto told = signal_process(*supervisor, SIGTERM);
    auto deadline = std::chrono::steady_clock::now() + 20s;
    while (is_alive(*supervisor) && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(10ms);
    if (is_alive(*supervisor)) {
      [[maybe_unused]] auto killed = signal_process(*supervisor, SIGKILL);
      while (is_alive(*supervisor)) std::this_thread::sleep_for(10ms);
    }
  }
  KS_ASSIGN(Fd lock, take_lock(layout_));
  auto removed = remove_all(layout_);
  release_lock(layout_, std::move(lock));
  return removed;
}

Result<std::string> Client::apply(const std::vector<SourceFile>& files) const {
  json list = json::array();
  for (const SourceFile& file : files) list.push_back({{"name", file.name}, {"text", file.text}});
  KS_ASSIGN(json reply, ask_text(layout_, {{"do", "apply"}, {"files", list}}));
  return reply.value("text", "");
}

Result<std::string> Client::remove(std::string_view kind, std::string_view name) const {
  KS_ASSIGN(json reply, ask_text(layout_, {{"do", "delete"}, {"kind", kind}, {"name", name}}));
  return reply.value("text", "");
}

Result<void> Client::put_raw(std::string_view file, std::string_view text) const {
  KS_TRY(ask_text(layout_, {{"do", "put_raw"}, {"name", file}, {"text", text}}));
  return {};
}

Result<void> Client::drop_raw(std::string_view file) const {
  KS_TRY(ask_text(layout_, {{"do", "drop_raw"}, {"name", file}}));
  return {};
}

Result<void> Client::set_ready(std::string_view pod, bool is_ready) const {
  KS_TRY(ask_text(layout_, {{"do", "set_ready"}, {"pod", pod}, {"ready", is_ready}}));
  return {};
}

Result<pid_t> Client::kill(Component component, std::string_view node, bool restart,
                           int signal) const {
  KS_ASSIGN(json reply, ask_text(layout_, {{"do", "kill"},
                                           {"component", component_name(component)},
                                           {"node", node},
                                           {"restart", restart},
                                           {"signal", signal}}));
  return reply.value("pid", 0);
}

Result<void> Client::start(Component component, std::string_view node) const {
  KS_TRY(ask_text(layout_,
                  {{"do", "start"}, {"component", component_name(component)}, {"node", node}}));
  return {};
}

Result<LabStatus> Client::status() const {
  KS_ASSIGN(json reply, ask_text(layout_, {{"do", "status"}}));
  LabStatus status;
  status.nodes = reply["nodes"].get<std::vector<std::string>>();
  status.hosts = reply["hosts"].get<std::map<std::string, std::string>>();
  for (const json& process : reply["processes"])
    status.processes.push_back({process["name"], process["pod"], process["running"], process["pid"],
                                process["restarts"], process["last_failure"]});
  for (const json& pod : reply["pods"])
    status.pods.push_back({pod["name"], pod["namespace"], pod["node"], pod["uid"], pod["ready"],
                           pod["ip4"], pod["ip6"], pod["interface"]});
  return status;
}

Result<Sandbox> Client::sandbox(std::string_view name) const {
  Sandbox sandbox;
  if (layout_.node_number(name) != 0) {
    sandbox.netns = netns_path(layout_.netns(name));
    return sandbox;
  }
  KS_ASSIGN(LabStatus now, status());
  const PodStatus* pod = now.pod(name);
  if (pod == nullptr)
    return fail(Reason::not_found, ErrorSource::kConfig, fmt::format("pod {}", name));
  KS_ASSIGN(std::string cgroup2, find_cgroup2());
  sandbox.netns = netns_path(layout_.netns(pod->node, name));
  sandbox.cgroup = fmt::format("{}/{}/{}/{}", cgroup2, layout_.prefix, pod->node, name);
  sandbox.hosts_file = layout_.hosts_file(pod->ns);
  for (const std::string& node : layout_.nodes) sandbox.hide.push_back(layout_.bpffs(node));
  return sandbox;
}

Result<std::string> Client::netns_of(std::string_view name) const {
  KS_ASSIGN(Sandbox found, sandbox(name));
  return found.netns;
}

Result<std::vector<SourceFile>> read_manifests(const std::string& path) {
  namespace fs = std::filesystem;
  std::vector<fs::path> paths;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    for (const auto& entry : fs::directory_iterator(path, error))
      if (entry.path().extension() == ".yaml" || entry.path().extension() == ".yml")
        paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
  } else {
    paths.push_back(path);
  }
  std::vector<SourceFile> files;
  for (const fs::path& file : paths) {
    KS_ASSIGN(std::string text, read_text(file));
    files.push_back({file.filename(), std::move(text)});
  }
  return files;
}

}  // namespace keelson::lab
