#include "ca/server/options.h"

#include <CLI/CLI.hpp>

#include "keelson_version.h"

namespace keelson::ca {
namespace {

constexpr int kExitUsage = 2;

void add_cluster_options(CLI::App& cli, Options& options) {
  cli.add_option("--listen", options.listen, "addresses of HTTPS, ADDRESS:PORT")
      ->delimiter(',')
      ->capture_default_str();
  cli.add_option("--trust-domain", options.trust_domain)->capture_default_str();
  cli.add_option("--root-namespace", options.root_namespace,
                 "where the agents, keelson-ca-root and keelson-trust-bundle are")
      ->capture_default_str();
  cli.add_option("--agent-account", options.agent_account, "service account of the agents")
      ->capture_default_str();
  cli.add_option("--audience", options.audience, "that a token must be made for")
      ->capture_default_str();
  cli.add_option("--dns-name", options.dns_names,
                 "names in the CA's own certificate [keelson-ca.NAMESPACE.svc and its forms]")
      ->delimiter(',');
  cli.add_option("--kubeconfig", options.kubeconfig, "outside a cluster: how to reach it");
}

void add_folder_options(CLI::App& cli, Options& options) {
  auto* manifests = cli.add_option("--manifests", options.manifests_dir,
                                   "without a cluster: folder of YAML that says which pods run");
  auto* tokens = cli.add_option("--tokens", options.tokens_file, "whose tokens are whose (YAML)");
  auto* state = cli.add_option("--state-dir", options.state_dir, "folder of the roots");
  auto* bundle = cli.add_option("--bundle", options.bundle_file, "file of the trust bundle");
  manifests->needs(tokens)->needs(state)->needs(bundle);
  tokens->needs(manifests);
  state->needs(manifests);
  bundle->needs(manifests);
}

}  // namespace

ParsedOptions parse_options(int argc, char** argv) {
  Options options;
  unsigned leaf_seconds = static_cast<unsigned>(options.leaf_lifetime.count());
  CLI::App cli("keelson-ca: signs workload certificates for agents that prove their node",
               "keelson-ca");
  cli.set_version_flag("--version", "keelson-ca " KEELSON_VERSION);
  add_cluster_options(cli, options);
  add_folder_options(cli, options);
  cli.add_option("--leaf-lifetime", leaf_seconds, "seconds that a certificate is valid")
      ->check(CLI::Range(600, 7 * 86400))
      ->capture_default_str();
  cli.add_option("--node-burst", options.node_burst, "requests that a node may make at once")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  cli.add_option("--node-rate", options.node_per_minute, "requests of a node in a minute")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  cli.add_option("--issuance-log", options.issuance_log,
                 "file that gets each line of the issuance log, as stdout does");
  cli.add_option("--log-level", options.log_level)
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = cli.exit(error);
    return {std::nullopt, code == 0 ? 0 : kExitUsage};
  }
  options.leaf_lifetime = std::chrono::seconds(leaf_seconds);
  if (options.dns_names.empty()) {
    const std::string name = "keelson-ca." + options.root_namespace;
    options.dns_names = {name + ".svc", name, name + ".svc.cluster.local", "keelson-ca"};
  }
  return {options, 0};
}

}  // namespace keelson::ca
