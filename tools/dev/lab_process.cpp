#include "lab_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <sstream>

#include "lab_command.h"

namespace keelson::lab {
namespace {

Fd open_pidfd(pid_t pid) {
  return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

Result<void> own_mounts(const Sandbox& sandbox) {
  if (::unshare(CLONE_NEWNS) != 0) return fail_errno(Reason::io_error, errno, "unshare");
  // Slave, not private: when the lab unmounts a namespace's handle, it goes here as well.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
    return fail_errno(Reason::io_error, errno, "mount / as slave");
  for (const std::string& path : sandbox.hide) ::umount2(path.c_str(), MNT_DETACH);
  if (::mount(sandbox.hosts_file.c_str(), "/etc/hosts", nullptr, MS_BIND, nullptr) != 0)
    return fail_errno(Reason::io_error, errno, "bind /etc/hosts");
  return {};
}

Result<void> prepare_child(const ProcessSpec& spec) {
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  KS_TRY(enter(spec.sandbox));
  Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ::dup2(null.get(), 0);
  Fd log(::open(spec.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log) return fail_errno(Reason::io_error, errno, spec.log_file);
  ::dup2(log.get(), 1);
  ::dup2(log.get(), 2);
  if (!spec.working_dir.empty() && ::chdir(spec.working_dir.c_str()) != 0)
    return fail_errno(Reason::io_error, errno, spec.working_dir);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  return {};
}

[[noreturn]] void run_child(const ProcessSpec& spec, int report) {
  auto ready = prepare_child(spec);
  std::string message;
  if (ready) {
    std::vector<char*> argv;
    for (const std::string& word : spec.argv) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    for (const auto& [name, value] : spec.environment) ::setenv(name.c_str(), value.c_str(), 1);
    ::execvp(argv[0], argv.data());
    message = fmt::format("{}: {}", spec.argv[0], strerror(errno));
  } else {
    message = describe(ready.error());
  }
  [[maybe_unused]] ssize_t told = ::write(report, message.data(), message.size());
  ::_exit(127);
}

}  // namespace

Result<ProcessId> identify(pid_t pid) {
  auto stat = read_text(fmt::format("/proc/{}/stat", pid));
  if (!stat) return fail(Reason::not_found, ErrorSource::kKernel, fmt::format("process {}", pid));
  // The name in parentheses may hold anything, also spaces; fields count from after its end.
  size_t name_end = stat->rfind(')');
  std::istringstream rest(name_end == std::string::npos ? "" : stat->substr(name_end + 1));
  std::string field;
  constexpr int kStartTimeField = 22, kFirstFieldAfterName = 3;
  for (int i = kFirstFieldAfterName; i < kStartTimeField; ++i) rest >> field;
  ProcessId id{pid, 0};
  if (!(rest >> id.start_ticks))
    return fail(Reason::not_found, ErrorSource::kKernel, fmt::format("process {}", pid));
  return id;
}

bool is_alive(const ProcessId& process) {
  auto now = identify(process.pid);
  return now && *now == process;
}

Result<void> signal_process(const ProcessId& process, int signal) {
  Fd pidfd = open_pidfd(process.pid);
  // Compared after the pidfd is open: from here on the pid cannot be reused unnoticed.
  if (!pidfd || !is_alive(process))
    return fail(Reason::not_found, ErrorSource::kKernel, fmt::format("process {}", process.pid));
  if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) != 0)
    return fail_errno(Reason::io_error, errno, fmt::format("signal {}", process.pid));
  return {};
}

Result<void> record_pid(const std::string& file, const ProcessId& process) {
  return write_file(file, fmt::format("{} {}\n", process.pid, process.start_ticks));
}

Result<ProcessId> recorded_pid(const std::string& file) {
  KS_ASSIGN(std::string text, read_text(file));
  std::istringstream words(text);
  ProcessId id;
  if (!(words >> id.pid >> id.start_ticks))
    return fail(Reason::bad_value, ErrorSource::kConfig, file);
  return id;
}

Result<void> enter(const Sandbox& sandbox) {
  if (!sandbox.cgroup.empty()) {
    KS_TRY(make_dirs(sandbox.cgroup));
    KS_TRY(write_file(sandbox.cgroup + "/cgroup.procs", "0"));
  }
  if (!sandbox.netns.empty()) {
    KS_ASSIGN(Fd netns, open_netns(sandbox.netns));
    if (::setns(netns.get(), CLONE_NEWNET) != 0)
      return fail_errno(Reason::io_error, errno, "setns " + sandbox.netns);
  }
  if (!sandbox.hosts_file.empty()) KS_TRY(own_mounts(sandbox));
  return {};
}

Result<Process> start(const ProcessSpec& spec) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(Reason::io_error, errno, "pipe2");
  Fd report_read(ends[0]), report_write(ends[1]);
  pid_t pid = ::fork();
  if (pid < 0) return fail_errno(Reason::io_error, errno, "fork");
  if (pid == 0) run_child(spec, report_write.get());
  report_write.reset();
  Fd pidfd = open_pidfd(pid);
  // The pipe closes silently when exec succeeds and brings the reason when it does not.
  char message[512];
  ssize_t n;
  while ((n = ::read(report_read.get(), message, sizeof message)) < 0 && errno == EINTR) {
  }
  if (n > 0) {
    ::waitpid(pid, nullptr, 0);
    return fail(Reason::io_error, ErrorSource::kConfig,
                std::string(message, static_cast<size_t>(n)));
  }
  auto id = identify(pid);
  // Already gone: the supervisor will reap it by its pidfd; it has not been waited for, so the pid
  // is still its own.
  return Process{id ? *id : ProcessId{pid, 0}, std::move(pidfd)};
}

}  // namespace keelson::lab
