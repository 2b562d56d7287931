// Options: keelson-ca's command line, checked. Parsing prints help, version and usage errors
// itself.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace keelson::ca {

struct Options {
  std::vector<std::string> listen{"0.0.0.0:15012"};
  std::string trust_domain = "cluster.local";
  std::string root_namespace = "keelson-system";
  std::string agent_account = "keelson-agent";
  std::string audience = "keelson-ca";
  std::vector<std::string> dns_names;  // default: the Service keelson-ca's
  std::chrono::seconds leaf_lifetime = std::chrono::hours(24);
  unsigned node_burst = 120;
  unsigned node_per_minute = 60;
  std::string issuance_log;  // a file beside stdout; empty: none
  std::string log_level = "info";
  std::string kubeconfig;  // empty: in the cluster
  // Without a cluster; all four or none.
  std::string manifests_dir;
  std::string tokens_file;
  std::string state_dir;
  std::string bundle_file;
};

struct ParsedOptions {
  std::optional<Options> options;  // nothing: exit with `exit_code`
  int exit_code = 0;
};

ParsedOptions parse_options(int argc, char** argv);

}  // namespace keelson::ca
