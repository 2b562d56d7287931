// DenialLog: an access log that also keeps what a policy of this node's pods refused or cut, for
// the agent to show beside the kernel's flow events. Bounded: what does not fit is
// counted. Workers write, the main thread takes. Sends nothing itself: Control does.
#pragma once

#include <memory>
#include <mutex>

#include "config/encode.h"
#include "proxy/access_log.h"

namespace keelson::proxy {

class DenialLog final : public AccessLog {
 public:
  explicit DenialLog(std::unique_ptr<AccessLog> log) : log_(std::move(log)) {}

  void write(const AccessRecord& record) override;
  uint64_t dropped() const override { return log_->dropped(); }

  // The oldest, at most config::kDenialsPerReportMax, and how many did not fit since the last time.
  config::Denials take();

 private:
  const std::unique_ptr<AccessLog> log_;
  std::mutex mutex_;
  config::Denials waiting_;
};

}  // namespace keelson::proxy
