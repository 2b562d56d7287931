// ObjectSource: the seam through which configuration arrives: a folder today, the Kubernetes API
// later. It delivers whole files as text, at first all of them in one call, then what changed; a
// name that was delivered and is gone is delivered as gone. One thread, the agent's main; the owner
// polls fd() for reading. Does not parse and does not debounce.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace keelson::source {

struct FileChange {
  enum class State { kText, kGone, kUnreadable };
  std::string file;  // stable name, also what findings show
  State state = State::kText;
  std::string text;            // kText
  std::optional<Error> error;  // kUnreadable
};

class ObjectSource {
 public:
  using OnChange = std::function<void(std::vector<FileChange>)>;  // sorted by file

  virtual ~ObjectSource() = default;
  // Lists everything and calls `on_change` once before it returns, even with nothing found.
  virtual Result<void> start(OnChange on_change) = 0;
  virtual void stop() = 0;
  // Readable: call on_readable(). -1 before start and after stop. Stable while started.
  virtual int fd() const noexcept = 0;
  virtual Result<void> on_readable() = 0;
};

}  // namespace keelson::source
