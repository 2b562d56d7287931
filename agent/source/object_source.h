// ObjectSource: the seam through which configuration arrives: a folder of manifests, or the
// Kubernetes API. It delivers whole files as text, at first all of them in one call, then what
// changed; a name that was delivered and is gone is delivered as gone. The first call comes when
// everything is known: before start() returns from a folder; later, or never, from an API server
// that is away. What was delivered stands until something else is. One thread, the agent's main.
// Does not decode.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace keelson::source {

struct FileChange {
  enum class State { kText, kObject, kGone, kUnreadable };
  std::string file;  // stable name, also what findings show
  State state = State::kText;
  // kText: a manifest, any number of documents. kObject: one object on one line of JSON, whose file
  // is named "Kind namespace/name", or "Kind name".
  std::string text;
  std::optional<Error> error;  // kUnreadable
};

class ObjectSource {
 public:
  using OnChange = std::function<void(std::vector<FileChange>)>;  // sorted by file

  virtual ~ObjectSource() = default;
  virtual Result<void> start(OnChange on_change) = 0;
  virtual void stop() = 0;
};

}  // namespace keelson::source
