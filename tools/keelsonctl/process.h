// Runner: runs a program and reads what it says; ProcessRunner is the real one, tests script
// another. No shell: words are passed on as they are. Blocking; may be used by several threads.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace keelson::ctl {

struct Ended {
  int code = 0;            // exit status; 128 + signal
  std::string out, err;    // `out` is empty when its lines were read
  bool timed_out = false;  // and killed
};

struct RunLimits {
  std::chrono::milliseconds time{0};  // 0: none
  size_t out_bytes_max = 256u << 20;
};

class Runner {
 public:
  // A line without its end; false ends the program, which then counts as ended well.
  using OnLine = std::function<bool(std::string_view)>;
  using GoOn = std::function<bool()>;  // asked some times a second; false: as above

  virtual ~Runner() = default;
  // The program's input is empty and ends when this process does, or has had enough.
  // Error: not_found, the program is not in PATH; io_error.
  virtual Result<Ended> run(const std::vector<std::string>& words, const RunLimits& limits,
                            const OnLine& on_line = nullptr, const GoOn& go_on = nullptr) const = 0;
};

class ProcessRunner final : public Runner {
 public:
  Result<Ended> run(const std::vector<std::string>& words, const RunLimits& limits,
                    const OnLine& on_line, const GoOn& go_on) const override;
};

}  // namespace keelson::ctl
