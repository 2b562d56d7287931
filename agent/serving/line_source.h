// LineSource: the body of a streaming answer, pulled line by line only while the reader keeps up.
// That pull is the back-pressure: what the reader does not take, the source drops and counts.
// Agent loop only. Destroyed by the HttpServer when the connection ends.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace keelson::serving {

class LineSource {
 public:
  virtual ~LineSource() = default;
  // One whole line with its '\n'; nothing when there is none now.
  virtual std::optional<std::string> next() = 0;
  // True when next() will never return a line again.
  virtual bool is_finished() const = 0;
  // Calls `wake` (from the agent loop, never from inside next()) when a line may have arrived.
  virtual void set_wake(std::function<void()> wake) = 0;
};

}  // namespace keelson::serving
