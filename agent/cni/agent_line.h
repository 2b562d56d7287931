// SocketAgentLine: the agent's Unix socket, spoken to with HTTP/1.0 (the answer ends with the
// connection), blocking with a deadline. While nobody listens, or an agent goes away in the middle
// (an upgrade), it tries again until the time is over: every request may be repeated.
#pragma once

#include "cni/plugin.h"

namespace keelson::cni {

class SocketAgentLine final : public AgentLine {
 public:
  explicit SocketAgentLine(std::chrono::milliseconds retry_after = std::chrono::milliseconds(100))
      : retry_after_(retry_after) {}
  Expected<CniError> ask(const std::string& socket, std::string_view path, std::string_view body,
                         std::chrono::milliseconds limit) override;

 private:
  std::chrono::milliseconds retry_after_;
};

}  // namespace keelson::cni
