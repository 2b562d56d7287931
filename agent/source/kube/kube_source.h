// KubeSource: ObjectSource that follows the API server, one Reflector a kind. The first delivery
// comes when every kind is listed (or known to be missing), so that nothing is decided on half of
// the configuration; until then, and while the server is away later, nothing is delivered at all.
// Changes wait a few milliseconds for others, one delivery for all. No timer of its own: the owner
// calls wake() at next_wake(), which may change whenever on_schedule is called. Loop's thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "source/kube/reflector.h"
#include "source/object_source.h"

namespace keelson::source {

struct KubeState {
  bool is_listed = false;
  std::optional<MonotonicTime> away_since;  // no kind hears anything since then
  std::optional<Error> error;               // the newest while away
  std::vector<ReflectorState> kinds;
};

class KubeSource final : public ObjectSource, private Reflector::Sink {
 public:
  KubeSource(Reflector::Seams seams, std::function<void()> on_schedule);

  Result<void> start(OnChange on_change) override;
  void stop() override;

  std::optional<MonotonicTime> next_wake() const;
  void wake();
  KubeState state() const;

 private:
  void on_object(FileChange change) override;
  void on_progress() override;
  void on_back() override;
  bool is_listed() const;
  void flush();

  const Clock& clock_;
  std::function<void()> on_schedule_;
  std::deque<Reflector> reflectors_;
  OnChange on_change_;
  std::map<std::string, FileChange> pending_;
  std::optional<MonotonicTime> flush_at_;
  bool has_delivered_ = false;
};

}  // namespace keelson::source
