// ConflistKeeper: keeps 00-keelson.conflist in the CNI folder of the node equal to the primary's
// network with keelson-cni chained after it. Watches the folder (inotify; a burst is looked at
// once): follows the primary, repairs its own file when somebody deletes or changes it (with a
// growing pause, so that a fight costs little), removes it when there is no primary. A primary that
// cannot be read changes nothing. It stays when the agent ends: pods outside the exempt namespaces
// then wait for the next agent. Or the other way round, for a node that keelson-cni shall leave:
// keeps the file away. Agent loop only.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/fd.h"
#include "cni/conflist.h"
#include "io/poll.h"
#include "io/timer.h"

namespace keelson::cni {

struct KeeperOptions {
  std::string folder;  // /etc/cni/net.d
  PluginSettings plugin;
  std::chrono::milliseconds settle{100};         // after the last event of a burst
  std::chrono::milliseconds watch_again{1000};   // while there is no such folder
  std::chrono::milliseconds repair_pause{1000};  // between the first repair and the second; doubles
  std::chrono::milliseconds repair_pause_max{60'000};
};

class ConflistKeeper {
 public:
  ConflistKeeper(io::EventLoop& loop, const Clock& clock, KeeperOptions options);

  // Writes the file at once when there is a primary.
  void start();
  // Watches no more and leaves the file to another agent.
  void stop();
  // Instead of start(), or from now on: no file of ours is there, also when an agent that this one
  // replaces writes it again.
  void keep_away();
  // Stops and removes the file.
  Result<void> remove();

  const std::string& path() const noexcept { return path_; }
  uint64_t writes() const noexcept { return writes_; }
  uint64_t repairs() const noexcept { return repairs_; }
  // Why the file is not what it should be; nothing: it is.
  const std::optional<Error>& problem() const noexcept { return problem_; }

 private:
  void watch();
  void on_events();
  void look();
  Result<void> settle_file();
  Result<void> settle_away();
  Result<void> replace(const std::string& wanted, bool is_repair);
  bool may_repair_now();

  const KeeperOptions options_;
  const std::string path_;
  io::EventLoop& loop_;
  const Clock& clock_;
  Fd inotify_;
  std::optional<io::Poll> poll_;
  io::Timer look_timer_;
  io::Timer watch_timer_;
  bool is_kept_away_ = false;
  std::string written_;  // last content; empty: none by this agent
  MonotonicTime last_repair_;
  std::chrono::milliseconds pause_{0};
  uint64_t writes_ = 0;
  uint64_t repairs_ = 0;
  std::optional<Error> problem_;
};

}  // namespace keelson::cni
