// LastGoodSaver: keeps the last good copies on disk from a thread of its own, so that no policy
// waits for a disk. Copies that come while others are written wait; only the newest are written.
// Owned by the agent's main thread.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "model/last_good.h"

namespace keelson {

class LastGoodSaver {
 public:
  explicit LastGoodSaver(std::string dir);
  ~LastGoodSaver();  // what was given last is on the disk

  void save(model::Copies copies);

 private:
  void run();

  model::LastGoodFolder folder_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<model::Copies> waiting_;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace keelson
