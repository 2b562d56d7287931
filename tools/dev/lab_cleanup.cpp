#include "lab_cleanup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "lab_command.h"
#include "lab_process.h"

namespace keelson::lab {
namespace {

namespace fs = std::filesystem;

std::string cgroup_root(const Layout& layout) {
  auto mount_point = find_cgroup2();
  return mount_point ? *mount_point + "/" + layout.prefix : std::string();
}

// Deepest first, so that each can be removed.
std::vector<std::string> cgroups(const Layout& layout) {
  std::vector<std::string> found;
  std::string root = cgroup_root(layout);
  std::error_code error;
  if (root.empty() || !fs::is_directory(root, error)) return found;
  found.push_back(root);
  for (auto it = fs::recursive_directory_iterator(root, error);
       !error && it != fs::recursive_directory_iterator(); it.increment(error))
    if (it->is_directory(error)) found.push_back(it->path());
  std::sort(found.begin(), found.end(),
            [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
  return found;
}

std::vector<ProcessId> processes(const Layout& layout) {
  std::vector<ProcessId> found;
  auto add = [&](pid_t pid) {
    if (auto id = identify(pid); id && pid != ::getpid()) found.push_back(*id);
  };
  for (const std::string& cgroup : cgroups(layout)) {
    std::ifstream members(cgroup + "/cgroup.procs");
    for (pid_t pid; members >> pid;) add(pid);
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(layout.pid_dir(), error))
    if (auto id = recorded_pid(entry.path()); id && is_alive(*id)) found.push_back(*id);
  return found;
}

std::vector<std::string> mounts(const Layout& layout) {
  std::vector<std::string> found;
  std::ifstream table("/proc/self/mountinfo");
  for (std::string line; std::getline(table, line);) {
    std::istringstream fields(line);
    std::string skipped, mount_point;
    fields >> skipped >> skipped >> skipped >> skipped >> mount_point;
    if (mount_point.starts_with(layout.run_root() + "/")) found.push_back(mount_point);
  }
  std::reverse(found.begin(), found.end());  // inner mounts are younger
  return found;
}

std::vector<std::string> namespaces(const Layout& layout) {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/run/netns", error)) {
    std::string name = entry.path().filename();
    if (name.starts_with(layout.prefix + "-")) found.push_back(name);
  }
  return found;
}

// A killed process leaves its cgroup only when it has been reaped: poll with a deadline.
void kill_processes(const Layout& layout) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  for (;;) {
    auto left = processes(layout);
    if (left.empty() || std::chrono::steady_clock::now() > deadline) return;
    for (const ProcessId& process : left) {
      [[maybe_unused]] auto killed = signal_process(process, SIGKILL);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace

Result<Fd> take_lock(const Layout& layout) {
  for (;;) {
    Fd lock(::open(layout.lock_file().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock) return fail_errno(Reason::io_error, errno, layout.lock_file());
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      auto holder = recorded_pid(layout.supervisor_pid_file());
      return fail(
          Reason::fenced, ErrorSource::kConfig,
          fmt::format("a lab named {} is already up{}: `lab down` first, or `--replace`",
                      layout.prefix, holder ? fmt::format(" (process {})", holder->pid) : ""));
    }
    // Its last holder may have removed the file between open and flock: then it locks nobody out.
    struct stat ours {
    }, named{};
    if (::fstat(lock.get(), &ours) == 0 && ::stat(layout.lock_file().c_str(), &named) == 0 &&
        ours.st_ino == named.st_ino)
      return lock;
  }
}

void release_lock(const Layout& layout, Fd lock) {
  if (lock) ::unlink(layout.lock_file().c_str());
}

Result<void> remove_all(const Layout& layout) {
  kill_processes(layout);
  for (const std::string& path : mounts(layout)) {
    // Pins go with the file system, but only once nobody else has it: unlink them first.
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(path, error)) fs::remove_all(entry, error);
    ::umount2(path.c_str(), MNT_DETACH);
  }
  for (const std::string& name : namespaces(layout)) {
    [[maybe_unused]] auto gone = run({.argv = {"ip", "netns", "del", name}, .may_fail = true});
  }
  for (const std::string& path : cgroups(layout)) ::rmdir(path.c_str());
  std::error_code error;
  if (mounts(layout).empty()) fs::remove_all(layout.run_root(), error);
  auto left = leftovers(layout);
  if (!left.empty())
    return fail(Reason::io_error, ErrorSource::kKernel,
                fmt::format("still there: {}", fmt::join(left, ", ")));
  return {};
}

std::vector<std::string> leftovers(const Layout& layout) {
  std::vector<std::string> left;
  for (const ProcessId& process : processes(layout))
    left.push_back(fmt::format("process {}", process.pid));
  for (const std::string& path : mounts(layout)) left.push_back("mount " + path);
  for (const std::string& name : namespaces(layout)) left.push_back("namespace " + name);
  for (const std::string& path : cgroups(layout)) left.push_back("cgroup " + path);
  std::error_code error;
  if (fs::exists(layout.run_root(), error)) left.push_back("folder " + layout.run_root());
  return left;
}

std::vector<std::string> abandoned_prefixes(std::string_view stem) {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/run", error)) {
    std::string name = entry.path().filename();
    if (!name.starts_with(stem) || !name.ends_with(".lock")) continue;
    Fd lock(::open(entry.path().c_str(), O_RDWR | O_CLOEXEC));
    if (lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0)
      found.push_back(name.substr(0, name.size() - std::string_view(".lock").size()));
  }
  return found;
}

}  // namespace keelson::lab
