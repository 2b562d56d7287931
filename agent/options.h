// Options: the agent's command line, checked. Parsing prints help, version and usage errors itself.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace keelson {

struct Options {
  std::string node_name;
  std::string pod_uid;        // of this agent's own Pod; empty: it is none
  std::string manifests_dir;  // empty: the API server
  std::string kubeconfig;     // empty: as a pod of the cluster
  std::string nodestate_dir;  // with manifests_dir; empty: this node stands alone
  std::string run_dir = "/run/keelson";
  std::string pin_dir = "/sys/fs/bpf/keelson";
  std::string state_dir = "/var/lib/keelson";
  std::string hold_socket;                          // default: RUN_DIR/hold.sock
  std::string metrics_address = "127.0.0.1:15020";  // "off": none
  std::string ca_dir;                               // standalone CA; default: STATE_DIR/ca
  std::string ca_address;                           // keelson-ca, HOST:PORT; empty: CA_DIR
  std::string ca_token_file = "/var/run/secrets/keelson.dev/ca/token";
  std::string trust_bundle_file = "/etc/keelson/trust/ca.crt";
  std::string trust_domain = "cluster.local";
  std::string root_namespace = "keelson-system";
  std::chrono::seconds enrolment_grace{30};
  std::string runtime_socket = "off";  // "off", "auto", "proc" or a path
  std::string cni_conf_dir;            // empty: no CNI
  std::string cni_bin_dir;
  std::string cni_plugin;
  bool cni_off = false;
  std::vector<std::string> cni_exempt_namespaces{"kube-system", "keelson-system"};
  std::chrono::seconds cni_timeout{20};
  std::string log_level = "info";
};

struct ParsedOptions {
  std::optional<Options> options;  // nothing: exit with `exit_code`
  int exit_code = 0;
};

ParsedOptions parse_options(int argc, char** argv);

}  // namespace keelson
