#include "keelsonctl/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "base/fd.h"

namespace keelson::ctl {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kAskEvery{200};
constexpr size_t kErrorTextMax = 64 << 10;

struct Pipe {
  Fd read, write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(Reason::io_error, errno, "pipe");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

struct ChildEnds {
  int in, out, err, failure;
};

// After fork: only what is safe there. It ends with the thread that waits for it.
[[noreturn]] void become(char* const* arguments, const ChildEnds& ends) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  ::signal(SIGPIPE, SIG_DFL);  // ours is ignored, which it would inherit
  if (::dup2(ends.in, STDIN_FILENO) >= 0 && ::dup2(ends.out, STDOUT_FILENO) >= 0 &&
      ::dup2(ends.err, STDERR_FILENO) >= 0)
    ::execvp(arguments[0], arguments);
  const int failed = errno;
  if (::write(ends.failure, &failed, sizeof failed) < 0) ::_exit(126);
  ::_exit(127);
}

struct Child {
  pid_t pid = 0;
  Fd in, out, err;  // our ends; while `in` is open its input does not end
};

int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

Result<Child> start(const std::vector<std::string>& words) {
  KS_ASSIGN(Pipe in, make_pipe());
  KS_ASSIGN(Pipe out, make_pipe());
  KS_ASSIGN(Pipe err, make_pipe());
  KS_ASSIGN(Pipe failure, make_pipe());
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno(Reason::io_error, errno, "fork");
  if (pid == 0)
    become(arguments.data(),
           {in.read.get(), out.write.get(), err.write.get(), failure.write.get()});
  failure.write.reset();
  int failed = 0;  // the pipe ends without a word when the program starts
  if (::read(failure.read.get(), &failed, sizeof failed) != sizeof failed)
    return Child{pid, std::move(in.write), std::move(out.read), std::move(err.read)};
  wait_for(pid);
  if (failed == ENOENT)
    return fail(Reason::not_found, ErrorSource::kConfig, words[0] + " is not in PATH");
  return fail_errno(Reason::io_error, failed, "start " + words[0]);
}

// Reads both pipes of a child until they end, or somebody has had enough.
class Reading {
 public:
  Reading(Fd out, Fd err, const RunLimits& limits, const Runner::OnLine& on_line,
          const Runner::GoOn& go_on)
      : limits_(limits), on_line_(on_line), go_on_(go_on), began_(Clock::now()) {
    fds_[0] = std::move(out);
    fds_[1] = std::move(err);
  }

  // False: the child is to be killed.
  bool to_the_end() {
    while (fds_[0] || fds_[1]) {
      if (limits_.time.count() != 0 && Clock::now() - began_ >= limits_.time) {
        ended.timed_out = true;
        return false;
      }
      if (go_on_ && !go_on_()) return false;
      if (!read_some()) return false;
    }
    return true;
  }

  Ended ended;

 private:
  int wait_ms() const {
    auto wait = std::chrono::milliseconds(go_on_ ? kAskEvery.count() : 60'000);
    if (limits_.time.count() != 0) {
      const auto left = limits_.time - (Clock::now() - began_);
      wait = std::min(wait, std::chrono::ceil<std::chrono::milliseconds>(left));
    }
    return static_cast<int>(std::max<int64_t>(wait.count(), 0));
  }

  bool read_some() {
    pollfd waited[2];
    for (int i = 0; i < 2; ++i) waited[i] = {fds_[i] ? fds_[i].get() : -1, POLLIN, 0};
    if (::poll(waited, 2, wait_ms()) < 0 && errno != EINTR) return false;
    for (int i = 0; i < 2; ++i) {
      if ((waited[i].revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
      char bytes[16 << 10];
      const ssize_t count = ::read(fds_[i].get(), bytes, sizeof bytes);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0)
        fds_[i].reset();
      else if (!take(i, {bytes, static_cast<size_t>(count)}))
        return false;
    }
    return true;
  }

  bool take(int stream, std::string_view bytes) {
    if (stream == 1) {
      ended.err += bytes.substr(0, kErrorTextMax - std::min(kErrorTextMax, ended.err.size()));
      return true;
    }
    ended.out += bytes;
    if (ended.out.size() > limits_.out_bytes_max) return false;
    return !on_line_ || pass_lines();
  }

  bool pass_lines() {
    size_t begin = 0;
    for (size_t end; (end = ended.out.find('\n', begin)) != std::string::npos; begin = end + 1)
      if (!on_line_(std::string_view(ended.out).substr(begin, end - begin))) return false;
    ended.out.erase(0, begin);
    return true;
  }

  const RunLimits& limits_;
  const Runner::OnLine& on_line_;
  const Runner::GoOn& go_on_;
  const Clock::time_point began_;
  Fd fds_[2];
};

}  // namespace

Result<Ended> ProcessRunner::run(const std::vector<std::string>& words, const RunLimits& limits,
                                 const OnLine& on_line, const GoOn& go_on) const {
  KS_ASSIGN(Child child, start(words));
  Reading reading(std::move(child.out), std::move(child.err), limits, on_line, go_on);
  const bool whole = reading.to_the_end();
  if (!whole) ::kill(child.pid, SIGKILL);
  const int code = wait_for(child.pid);
  reading.ended.code = whole || reading.ended.timed_out ? code : 0;
  if (reading.ended.out.size() > limits.out_bytes_max)
    return fail(Reason::bad_value, ErrorSource::kUpstream, "the answer is too large");
  return std::move(reading.ended);
}

}  // namespace keelson::ctl
