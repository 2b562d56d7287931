#include <cstdlib>
#include <memory>

#include "kube/access.h"
#include "kube/token_file.h"

namespace keelson::kube {
namespace {

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

Result<rest::Server> api_server(const std::string& kubeconfig, const Clock& clock) {
  if (!kubeconfig.empty()) return kubeconfig_server(kubeconfig, clock);
  return in_cluster_server(kServiceAccountFolder, environment("KUBERNETES_SERVICE_HOST"),
                           environment("KUBERNETES_SERVICE_PORT"), clock);
}

Result<rest::Server> in_cluster_server(const std::string& folder, const std::string& host,
                                       const std::string& port, const Clock& clock) {
  if (host.empty() || port.empty())
    return fail(Reason::credentials_unusable, ErrorSource::kConfig,
                "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: not in a pod; "
                "give --kubeconfig, or --manifests for a folder");
  rest::Server server;
  const bool is_v6 = host.find(':') != std::string::npos;
  server.url = "https://" + (is_v6 ? "[" + host + "]" : host) + ":" + port;
  KS_ASSIGN(server.ca_pem, read_credential(folder + "/ca.crt"));
  auto file = std::make_shared<TokenFile>(folder + "/token", clock);
  KS_TRY(file->token());
  server.token = [file] { return file->token(); };
  return server;
}

}  // namespace keelson::kube
