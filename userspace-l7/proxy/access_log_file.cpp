#include "proxy/access_log_file.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "base/limits.h"

namespace keelson::proxy {
namespace {

constexpr size_t kUsualLineBytes = 1024;

// Lines that make up at most `bytes_max`; one at least.
std::string_view first_lines(std::string_view text, size_t bytes_max) noexcept {
  if (text.size() <= bytes_max) return text;
  const size_t end = text.rfind('\n', bytes_max - 1);
  return text.substr(0, 1 + (end != std::string_view::npos ? end : text.find('\n')));
}

}  // namespace

Result<std::unique_ptr<AccessLogFile>> AccessLogFile::open(const std::string& path,
                                                           size_t bytes_max) {
  Fd file(path.empty() ? ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)
                       : ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  if (!file)
    return fail_errno(Reason::io_error, errno,
                      "opening the access log " + (path.empty() ? "on standard error" : path));
  struct stat status {};
  const bool is_pipe = ::fstat(file.get(), &status) == 0 && S_ISFIFO(status.st_mode);
  return std::unique_ptr<AccessLogFile>(new AccessLogFile(std::move(file), is_pipe, bytes_max));
}

// Standard error may be a pipe that the proxy's own log is written to as well: only up to PIPE_BUF
// is a write never mixed with another (pipe(7)).
AccessLogFile::AccessLogFile(Fd file, bool is_pipe, size_t bytes_max)
    : file_(std::move(file)),
      piece_bytes_max_(is_pipe ? PIPE_BUF : SIZE_MAX),
      bytes_max_(bytes_max),
      thread_([this] { run(); }) {}

AccessLogFile::~AccessLogFile() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void AccessLogFile::write(const AccessRecord& record) {
  std::string line;
  line.reserve(kUsualLineBytes);
  append_json_line(line, record);
  line.push_back('\n');
  const std::lock_guard lock(mutex_);
  const size_t before = waiting_.text.size();
  if (before >= bytes_max_) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  waiting_.text.append(line);
  waiting_.count++;
  if (before == 0) changed_.notify_one();
}

void AccessLogFile::run() {
  ::pthread_setname_np(::pthread_self(), "access-log");
  Lines lines;
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_ending_ || waiting_.count > 0; });
    if (waiting_.count == 0) return;
    changed_.wait_for(lock, kAccessLogDelay, [this] { return is_ending_; });
    std::swap(lines, waiting_);
    lock.unlock();
    write_out(lines);
    lock.lock();
  }
}

void AccessLogFile::write_out(Lines& lines) {
  std::string_view rest = lines.text;
  if (std::string_view end_of_line = "\n"; is_line_torn_) is_line_torn_ = !write_all(end_of_line);
  while (!rest.empty()) {
    std::string_view piece = first_lines(rest, piece_bytes_max_);
    const size_t before = piece.size();
    const bool is_written = write_all(piece);
    rest.remove_prefix(before - piece.size());
    if (is_written) continue;
    is_line_torn_ |= rest.data() != lines.text.data() && rest.data()[-1] != '\n';
    dropped_.fetch_add(static_cast<uint64_t>(std::count(rest.begin(), rest.end(), '\n')),
                       std::memory_order_relaxed);
    break;
  }
  // A burst's memory is given back.
  if (lines.text.size() < lines.text.capacity() / 4)
    lines = {};
  else
    lines.text.clear();
  lines.count = 0;
}

// Takes off `text` what is written; false: the rest cannot be.
bool AccessLogFile::write_all(std::string_view& text) noexcept {
  while (!text.empty()) {
    const ssize_t n = ::write(file_.get(), text.data(), text.size());
    if (n >= 0) {
      text.remove_prefix(static_cast<size_t>(n));
    } else if (errno == EAGAIN) {  // whoever shares standard error with us may have asked for this
      pollfd writable{file_.get(), POLLOUT, 0};
      ::poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

}  // namespace keelson::proxy
