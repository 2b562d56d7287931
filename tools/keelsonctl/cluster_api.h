// ClusterApi: the API server as a command asks it: one call after another, each waited for. Retries
// nothing itself. KubeApi is the real one, as a pod's service account or by a kubeconfig; tests
// script another. One thread.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "io/event_loop.h"
#include "rest/curl_client.h"

namespace keelson::ctl {

class ClusterApi {
 public:
  virtual ~ClusterApi() = default;
  virtual Result<rest::Answer> ask(rest::Request request) = 0;
  virtual MonotonicTime now() const = 0;
  virtual void pause(std::chrono::milliseconds time) = 0;
};

class KubeApi final : public ClusterApi {
 public:
  // `kubeconfig` empty: the service account of the pod that this runs in.
  static Result<std::unique_ptr<KubeApi>> open(const std::string& kubeconfig);

  Result<rest::Answer> ask(rest::Request request) override;
  MonotonicTime now() const override { return clock_.now(); }
  void pause(std::chrono::milliseconds time) override;

 private:
  KubeApi() = default;

  SystemClock clock_;
  io::EventLoop loop_;
  std::unique_ptr<rest::CurlClient> client_;
};

}  // namespace keelson::ctl
