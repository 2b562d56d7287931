#include "keelsonctl/cluster_api.h"

#include <optional>
#include <thread>

#include "kube/access.h"

namespace keelson::ctl {

Result<std::unique_ptr<KubeApi>> KubeApi::open(const std::string& kubeconfig) {
  std::unique_ptr<KubeApi> api(new KubeApi);
  KS_ASSIGN(rest::Server server, kube::api_server(kubeconfig, api->clock_));
  api->client_ = std::make_unique<rest::CurlClient>(api->loop_, api->clock_, std::move(server));
  return api;
}

Result<rest::Answer> KubeApi::ask(rest::Request request) {
  std::optional<Result<rest::Answer>> answered;
  const auto call = client_->send(std::move(request), [&](Result<rest::Answer> answer) {
    answered.emplace(std::move(answer));
  });
  while (!answered) loop_.run_once();
  return std::move(*answered);
}

void KubeApi::pause(std::chrono::milliseconds time) {
  std::this_thread::sleep_for(time);
}

}  // namespace keelson::ctl
