// AdminClient: HTTP requests to a socket of an agent, by libcurl over the Unix socket. Blocking,
// one thread. It does not interpret answers beyond their status. An agent that does not answer is
// Reason::cannot_reach, whose context says which socket and why.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "keelsonctl/agent_link.h"

namespace keelson::ctl {

class AdminClient final : public AgentLink {
 public:
  AdminClient(std::string socket_path, std::chrono::milliseconds timeout,
              std::string advice = "keelsonctl check (as root, on the node)");

  // At most kReplyBytesMax.
  Result<Reply> get(std::string_view path, const Query& query = {}) const override;
  Result<Reply> stream(std::string_view path, const Query& query,
                       const OnLine& on_line) const override;
  // Asked about once a second while a stream is idle, or for an answer: true ends it as its reader
  // would.
  void stop_when(std::function<bool()> is_over) { is_over_ = std::move(is_over); }
  // The same as get() for a POST of JSON.
  Result<Reply> post(std::string_view path, const std::string& body) const;

  std::string place() const override { return socket_path_; }
  std::string advice() const override { return advice_; }
  static constexpr size_t kReplyBytesMax = 256u << 20;
  static constexpr size_t kLineBytesMax = 1u << 20;

 private:
  std::string socket_path_;
  std::chrono::milliseconds timeout_;
  std::string advice_;
  std::function<bool()> is_over_;
};

}  // namespace keelson::ctl
