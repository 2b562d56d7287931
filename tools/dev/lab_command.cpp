#include "lab_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace keelson::lab {
namespace {

// An anonymous file holds the child's input and another its output: no pipe can fill up.
Result<Fd> anonymous_file(const char* name) {
  Fd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd) return fail_errno(Reason::io_error, errno, "memfd_create");
  return fd;
}

Result<void> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(Reason::io_error, errno, "write");
    text.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

std::string read_from_start(int fd) {
  std::string text;
  char part[4096];
  off_t offset = 0;
  for (ssize_t n; (n = ::pread(fd, part, sizeof part, offset)) > 0; offset += n)
    text.append(part, static_cast<size_t>(n));
  return text;
}

[[noreturn]] void exec_child(const std::vector<char*>& argv, int netns, int input, int output) {
  if (netns >= 0 && ::setns(netns, CLONE_NEWNET) != 0) ::_exit(126);
  ::dup2(input, 0);
  ::dup2(output, 1);
  ::dup2(output, 2);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execvp(argv[0], argv.data());
  ::_exit(127);
}

}  // namespace

Result<std::string> run(const Command& command) {
  KS_ASSIGN(Fd input, anonymous_file("input"));
  KS_ASSIGN(Fd output, anonymous_file("output"));
  KS_TRY(write_all(input.get(), command.input));
  ::lseek(input.get(), 0, SEEK_SET);
  Fd netns;
  if (!command.netns.empty()) {
    KS_ASSIGN(netns, open_netns(command.netns));
  }
  std::vector<char*> argv;
  for (const std::string& word : command.argv) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);

  pid_t pid = ::fork();
  if (pid < 0) return fail_errno(Reason::io_error, errno, "fork");
  if (pid == 0) exec_child(argv, netns.get(), input.get(), output.get());
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  std::string text = read_from_start(output.get());
  bool is_ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!is_ok && !command.may_fail) {
    std::string line = fmt::format("{}", fmt::join(command.argv, " "));
    std::string why =
        WIFEXITED(status) && WEXITSTATUS(status) == 127 ? std::string("program not found") : text;
    return fail(Reason::io_error, ErrorSource::kKernel, fmt::format("{}: {}", line, why));
  }
  return text;
}

std::string describe(const Error& error) {
  if (error.os_errno == 0) return error.context;
  return fmt::format("{}: {}", error.context, std::strerror(error.os_errno));
}

Result<Fd> open_netns(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(Reason::io_error, errno, path);
  return fd;
}

Result<void> in_netns(const std::string& path, const std::function<Result<void>()>& body) {
  KS_ASSIGN(Fd target, open_netns(path));
  KS_ASSIGN(Fd home, open_netns("/proc/thread-self/ns/net"));
  if (::setns(target.get(), CLONE_NEWNET) != 0)
    return fail_errno(Reason::io_error, errno, "setns " + path);
  struct Return {
    int fd;
    // Staying in a foreign namespace would make later calls act in the wrong one: rather stop.
    ~Return() {
      if (::setns(fd, CLONE_NEWNET) != 0) std::abort();
    }
  } way_back{home.get()};
  return body();
}

Result<void> write_file(const std::string& path, std::string_view text) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) return fail_errno(Reason::io_error, errno, path);
  auto written = write_all(fd.get(), text);
  if (!written) written.error().context = path;
  return written;
}

Result<void> replace_file(const std::string& path, std::string_view text,
                          const std::string& scratch_dir) {
  std::string scratch =
      scratch_dir + "/" + std::filesystem::path(path).filename().string() + ".new";
  KS_TRY(write_file(scratch, text));
  if (::rename(scratch.c_str(), path.c_str()) != 0)
    return fail_errno(Reason::io_error, errno, "rename to " + path);
  return {};
}

Result<std::string> read_text(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(Reason::file_unreadable, errno, path);
  // Not pread: files of /proc and /sys are read front to back.
  std::string text;
  char part[4096];
  for (ssize_t n; (n = ::read(fd.get(), part, sizeof part)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(Reason::file_unreadable, errno, path);
    text.append(part, static_cast<size_t>(n));
  }
  return text;
}

Result<void> make_dirs(const std::string& path, unsigned mode) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return fail_errno(Reason::io_error, error.value(), path);
  std::filesystem::permissions(path, static_cast<std::filesystem::perms>(mode), error);
  return {};
}

}  // namespace keelson::lab
