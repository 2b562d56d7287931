// What a runtime gives the plugin for pod shop/web-1, to be changed by a test.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cni/invocation.h"

namespace keelson::cni {

inline Environment call_environment(const std::string& command) {
  return {{"CNI_COMMAND", command},
          {"CNI_CONTAINERID", "9f3ab2"},
          {"CNI_NETNS", "/var/run/netns/cni-1234"},
          {"CNI_IFNAME", "eth0"},
          {"CNI_ARGS",
           "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-1;"
           "K8S_POD_INFRA_CONTAINER_ID=9f3ab2;K8S_POD_UID=0f1e-22"}};
}

inline nlohmann::ordered_json call_netconf() {
  return nlohmann::ordered_json::parse(R"({
    "cniVersion": "1.0.0", "name": "kindnet", "type": "keelson-cni",
    "agentSocket": "/run/k/cni.sock", "timeoutSeconds": 7,
    "exemptNamespaces": ["kube-system", "keelson-system"],
    "runtimeConfig": {"portMappings": []},
    "prevResult": {
      "cniVersion": "1.0.0",
      "interfaces": [{"name": "veth1", "mac": "0a:00"},
                     {"name": "eth0", "mac": "0a:01", "sandbox": "/var/run/netns/cni-1234"}],
      "ips": [{"interface": 1, "address": "10.244.1.5/24", "gateway": "10.244.1.1"},
              {"interface": 1, "address": "fd00:10:244::5/64"},
              {"interface": 0, "address": "10.244.1.1/24"}],
      "routes": [{"dst": "0.0.0.0/0"}], "dns": {}, "zzz": {"unknown": [1, 2.5, null]}, "aaa": 1}
  })");
}

}  // namespace keelson::cni
