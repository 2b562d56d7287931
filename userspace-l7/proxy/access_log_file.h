// AccessLogFile: the access log as a file or standard error. A line goes behind the others' in one
// buffer; a thread of its own writes the buffer out some tens of milliseconds after its first line,
// so that a line costs neither a system call nor a wake-up. Workers wait for each other's copies
// into the buffer, never for a disk: what does not fit is dropped and counted. Any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>

#include "base/fd.h"
#include "base/result.h"
#include "proxy/access_log.h"

namespace keelson::proxy {

class AccessLogFile final : public AccessLog {
 public:
  // Appends to `path`; empty: standard error. `bytes_max`: of lines that wait. Error: io_error.
  static Result<std::unique_ptr<AccessLogFile>> open(const std::string& path, size_t bytes_max);
  ~AccessLogFile() override;  // writes what waits

  void write(const AccessRecord& record) override;
  uint64_t dropped() const override { return dropped_.load(std::memory_order_relaxed); }

 private:
  struct Lines {
    std::string text;
    uint64_t count = 0;
  };
  AccessLogFile(Fd file, bool is_pipe, size_t bytes_max);
  void run();
  void write_out(Lines& lines);
  bool write_all(std::string_view& text) noexcept;

  const Fd file_;
  const size_t piece_bytes_max_;  // of one write(2)
  const size_t bytes_max_;
  std::atomic<uint64_t> dropped_{0};  // lines
  std::mutex mutex_;
  std::condition_variable changed_;
  Lines waiting_;
  bool is_ending_ = false;
  bool is_line_torn_ = false;  // the writing thread's: the file ends within a line
  std::thread thread_;
};

}  // namespace keelson::proxy
