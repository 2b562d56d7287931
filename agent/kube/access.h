// access: where the API server is and how the agent proves itself there: from the service account's
// files that a pod has, or from a kubeconfig. Tokens in files are read again when the file changes
// and at least every minute. What would weaken the check of the server (insecure-skip-tls-verify,
// plain http) or run programs (exec, auth-provider) is refused by name. Reads files, blocking.
// Errors: credentials_unusable, with file, field and fix. Loop's thread.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "rest/server.h"

namespace keelson::kube {

inline constexpr const char* kServiceAccountFolder =
    "/var/run/secrets/kubernetes.io/serviceaccount";

// host and port: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT.
Result<rest::Server> in_cluster_server(const std::string& folder, const std::string& host,
                                       const std::string& port, const Clock& clock);
// Of a kubeconfig's current context; of the own pod's service account when `kubeconfig` is empty.
Result<rest::Server> api_server(const std::string& kubeconfig, const Clock& clock);

// Its current context.
Result<rest::Server> kubeconfig_server(const std::string& path, const Clock& clock);

}  // namespace keelson::kube
