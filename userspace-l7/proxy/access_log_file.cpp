#include "proxy/access_log_file.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/limits.h"

namespace keelson::proxy {

Result<std::unique_ptr<AccessLogFile>> AccessLogFile::open(const std::string& path,
                                                           size_t bytes_max) {
  Fd file(path.empty() ? ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)
                       : ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  if (!file)
    return fail_errno(Reason::io_error, errno,
                      "opening the access log " + (path.empty() ? "on standard error" : path));
  return std::unique_ptr<AccessLogFile>(new AccessLogFile(std::move(file), bytes_max));
}

AccessLogFile::AccessLogFile(Fd file, size_t bytes_max)
    : file_(std::move(file)), bytes_max_(bytes_max), thread_([this] { run(); }) {}

AccessLogFile::~AccessLogFile() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void AccessLogFile::write(const AccessRecord& record) {
  const std::unique_lock lock(mutex_);
  const size_t before = waiting_.text.size();
  if (before >= bytes_max_) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  append_json_line(waiting_.text, record);
  waiting_.text.push_back('\n');
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
  while (!rest.empty()) {
    const ssize_t n = ::write(file_.get(), rest.data(), rest.size());
    if (n >= 0) {
      rest.remove_prefix(static_cast<size_t>(n));
    } else if (errno != EINTR) {
      dropped_.fetch_add(static_cast<uint64_t>(std::count(rest.begin(), rest.end(), '\n')),
                         std::memory_order_relaxed);
      break;
    }
  }
  // A burst's memory is given back.
  if (lines.text.size() < lines.text.capacity() / 4)
    lines = {};
  else
    lines.text.clear();
  lines.count = 0;
}

}  // namespace keelson::proxy
