// CriSource: the sandboxes of a container runtime by the Container Runtime Interface on its Unix
// socket. Tried with containerd; CRI-O speaks the same protocol and is untested. One connection a
// listing. Agent loop only.
#pragma once

#include <memory>
#include <string>

#include "io/event_loop.h"
#include "io/timer.h"
#include "pods/runtime/grpc_client.h"
#include "pods/sandboxes.h"

namespace keelson::pods {

class CriSource final : public NetnsSource {
 public:
  CriSource(io::EventLoop& loop, std::string socket_path, GrpcLimits limits = {});

  void list(OnListed on_listed) override;
  std::string name() const override { return "the container runtime at " + socket_path_; }

 private:
  void on_listed(Result<std::string> answer);
  void on_status(size_t index, Result<std::string> answer);
  Result<std::vector<Sandbox>> take_found();
  void finish(Result<std::vector<Sandbox>> result);

  io::EventLoop& loop_;
  const std::string socket_path_;
  const GrpcLimits limits_;
  std::unique_ptr<GrpcClient> client_;
  OnListed on_listed_;
  std::vector<Sandbox> listed_;                // ids and uids
  std::vector<std::optional<Sandbox>> found_;  // in the order of the listing
  std::optional<Error> error_;                 // of a status, the first
  bool is_lost_ = false;                       // the connection broke
  bool is_one_told_ = false;                   // a status came, or that its sandbox has ended
  size_t answers_missing_ = 0;
  io::Timer finished_;
  Result<std::vector<Sandbox>> result_;
};

// Where container runtimes listen by default; the first that is there, or empty.
std::string find_runtime_socket();

}  // namespace keelson::pods
