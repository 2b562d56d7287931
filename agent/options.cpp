#include "options.h"

#include <CLI/CLI.hpp>

#include "keelson_version.h"

namespace keelson {
namespace {

constexpr int kExitUsage = 2;

void add_ca_options(CLI::App& cli, Options& options) {
  cli.add_option("--ca-dir", options.ca_dir,
                 "folder of the built-in CA, the same for all nodes of a mesh [STATE_DIR/ca]");
  cli.add_option("--ca", options.ca_address,
                 "HOST:PORT of keelson-ca, which signs instead of the built-in CA");
  cli.add_option("--ca-token", options.ca_token_file, "the token that keelson-ca is shown")
      ->capture_default_str();
  cli.add_option("--trust-bundle", options.trust_bundle_file,
                 "the mesh's roots, by which keelson-ca is known")
      ->capture_default_str();
}

void check_source(const std::string& source, const Options& options) {
  const bool is_directory =
      source == "directory" || (source.empty() && !options.manifests_dir.empty());
  if (is_directory && options.manifests_dir.empty())
    throw CLI::ValidationError("--source directory", "needs --manifests FOLDER");
  if (is_directory && !options.kubeconfig.empty())
    throw CLI::ValidationError("--kubeconfig", "excludes --manifests: one source at a time");
  if (!is_directory && !options.manifests_dir.empty())
    throw CLI::ValidationError("--source kube", "excludes --manifests: one source at a time");
  if (!is_directory && !options.nodestate_dir.empty())
    throw CLI::ValidationError("--nodestate-dir",
                               "belongs to --manifests: the API server has NodeState objects");
}

}  // namespace

ParsedOptions parse_options(int argc, char** argv) {
  Options options;
  unsigned grace_seconds = static_cast<unsigned>(options.enrolment_grace.count());
  unsigned cni_timeout_seconds = static_cast<unsigned>(options.cni_timeout.count());
  CLI::App cli("keelson-agent: meshes the pods of this node", "keelson-agent");
  cli.set_version_flag("--version", "keelson-agent " KEELSON_VERSION);
  cli.add_option("--node,--node-name", options.node_name, "this node's name")->required();
  cli.add_option(
      "--pod-uid", options.pod_uid,
      "uid of this agent's own Pod, by which it knows the DaemonSet that is uninstalled");
  std::string source;
  cli.add_option("--source", source,
                 "where objects come from: 'directory' (--manifests) or 'kube', the API server "
                 "[kube unless --manifests is given]")
      ->check(CLI::IsMember({"directory", "kube"}));
  cli.add_option("--manifests", options.manifests_dir, "folder of Kubernetes YAML to follow");
  cli.add_option("--kubeconfig", options.kubeconfig,
                 "how to reach the API server [the pod's service account]");
  cli.add_option("--nodestate-dir", options.nodestate_dir,
                 "with --manifests: folder in which each node's agent writes NODE.yaml and "
                 "reads the others'");
  cli.add_option("--run-dir", options.run_dir, "folder of the sockets")->capture_default_str();
  cli.add_option("--pin-dir", options.pin_dir, "folder on a bpffs for maps and links")
      ->capture_default_str();
  cli.add_option("--state-dir", options.state_dir, "folder of the last good objects")
      ->capture_default_str();
  add_ca_options(cli, options);
  cli.add_option("--hold-socket", options.hold_socket, "keelson-hold's socket [RUN_DIR/hold.sock]");
  cli.add_option("--metrics-address", options.metrics_address,
                 "address of /metrics, /healthz and /readyz, or 'off'")
      ->capture_default_str();
  cli.add_option("--trust-domain", options.trust_domain)->capture_default_str();
  cli.add_option("--root-namespace", options.root_namespace, "its policies hold for the whole mesh")
      ->capture_default_str();
  cli.add_option("--enrolment-grace", grace_seconds,
                 "seconds in which other nodes may still send a new pod plaintext")
      ->capture_default_str();
  cli.add_option("--runtime-socket", options.runtime_socket,
                 "who tells the network namespaces of running pods: a container runtime's socket, "
                 "'auto', 'proc' (/proc), or 'off' (annotations of the objects)")
      ->capture_default_str();
  auto* conf_dir = cli.add_option("--cni-conf-dir", options.cni_conf_dir,
                                  "folder of CNI configurations, to chain keelson-cni into");
  auto* plugin = cli.add_option("--cni-plugin", options.cni_plugin, "keelson-cni, to be installed");
  plugin->needs(cli.add_option("--cni-bin-dir", options.cni_bin_dir, "folder of CNI plugins")
                    ->needs(conf_dir)
                    ->needs(plugin));
  cli.add_flag("--cni-off", options.cni_off,
               "remove from both folders what an earlier agent left of keelson-cni")
      ->needs(conf_dir);
  cli.add_option("--cni-exempt-namespaces", options.cni_exempt_namespaces,
                 "their pods start without waiting for the mesh, also when the agent is away")
      ->delimiter(',')
      ->capture_default_str();
  cli.add_option("--cni-timeout", cni_timeout_seconds, "seconds that a pod's start waits for it")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  cli.add_option("--log-level", options.log_level)
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  try {
    cli.parse(argc, argv);
    check_source(source, options);
  } catch (const CLI::ParseError& error) {
    const int code = cli.exit(error);
    return {std::nullopt, code == 0 ? 0 : kExitUsage};
  }
  options.cni_timeout = std::chrono::seconds(cni_timeout_seconds);
  options.enrolment_grace = std::chrono::seconds(grace_seconds);
  if (options.ca_dir.empty()) options.ca_dir = options.state_dir + "/ca";
  if (options.hold_socket.empty()) options.hold_socket = options.run_dir + "/hold.sock";
  return {options, 0};
}

}  // namespace keelson
