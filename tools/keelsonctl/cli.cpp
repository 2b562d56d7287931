#include "keelsonctl/cli.h"

#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>

#include "base/reason.h"
#include "keelsonctl/admin_client.h"
#include "keelsonctl/cluster_uninstall.h"
#include "keelsonctl/commands.h"
#include "keelsonctl/fleet.h"
#include "keelsonctl/options.h"
#include "keelsonctl/reasons.h"

namespace keelson::ctl {
namespace {

void add_common(CLI::App& app, Options& options) {
  app.description(
      "Talks to the Keelson agent of a node over its socket, or, with --kube or as "
      "kubectl-keelson,\n"
      "to those of a cluster through its API server.\n"
      "Exit codes: 0 fine, 1 findings, 2 wrong usage, 3 the agent cannot be reached.");
  app.set_version_flag("--version", "keelsonctl " KEELSON_VERSION, "Version of keelsonctl alone");
  app.require_subcommand(1);
  app.fallthrough();  // global options may follow the verb
  auto* run_dir =
      app.add_option("--run-dir", options.run_dir, "Folder of agent.sock")->capture_default_str();
  app.add_option("--node", options.node,
                 "With --kube a node of the cluster, else of the lab: /run/keelson-lab/NODE/run")
      ->excludes(run_dir)
      ->check([](const std::string& name) {
        return name.empty() || name.find('/') != std::string::npos || name[0] == '.'
                   ? std::string("not a node name")
                   : std::string();
      });
  app.add_option("-o,--output", options.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.add_option("--timeout", options.timeout_seconds, "Seconds to wait for an answer")
      ->check(CLI::Range(1, 600))
      ->capture_default_str();
}

void add_cluster(CLI::App& app, Options& options, bool is_plugin) {
  auto* kube =
      app.add_flag("--kube", options.kube.is_wanted,
                   "Ask the agents of a cluster, through kubectl; every node's unless --node "
                   "names one (so does `kubectl keelson`)")
          ->excludes("--run-dir");
  auto* ns = app.add_option("-n,--namespace", options.kube.ns, "Where Keelson is installed")
                 ->capture_default_str();
  auto* context = app.add_option("--context", options.kube.context, "Of kubectl");
  auto* kubeconfig = app.add_option("--kubeconfig", options.kube.kubeconfig, "Of kubectl");
  options.kube.is_wanted = is_plugin;
  if (is_plugin) return;
  for (CLI::Option* option : {ns, context, kubeconfig}) option->needs(kube);
}

// Its own words for where: the API server is asked by this program, not through kubectl.
void add_uninstall(CLI::App& app, Options& options) {
  auto* uninstall = app.add_subcommand(
      "uninstall", "Take keelson-cni off this node; with --cluster, Keelson off every node");
  auto* cluster = uninstall->add_flag("--cluster", options.cluster,
                                      "Ask all agents to take their nodes out of the mesh; waits");
  uninstall->add_option("-n,--namespace", options.kube.ns, "Where Keelson is installed")
      ->needs(cluster)
      ->capture_default_str();
  uninstall->add_option("--kubeconfig", options.kube.kubeconfig, "[the pod's service account]")
      ->needs(cluster);
  uninstall->add_option("--wait", options.wait_seconds, "Seconds to wait for all nodes")
      ->needs(cluster)
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
}

void add_check(CLI::App& app, Options& options) {
  auto* check =
      app.add_subcommand("check", "Can this node run Keelson; what to do about each problem");
  auto* pre = check->add_flag("--pre", options.pre,
                              "Before it is installed: look at this machine, ask no agent");
  check
      ->add_option("--root", options.root,
                   "With --pre: where the node's files are, /host in a pod of `kubectl debug node`")
      ->needs(pre);
}

void add_config(CLI::App& app) {
  auto* config = app.add_subcommand("config", "What this node knows");
  config->require_subcommand(1);
  config->add_subcommand("workloads", "Pods, their identity and state in the mesh");
  config->add_subcommand("services", "Services, who serves them, endpoints");
  config->add_subcommand("routes", "HTTP rules of Services, in order of precedence");
  config->add_subcommand("policies", "Policies and what they select");
}

void add_bpf(CLI::App& app, Options& options) {
  auto* bpf = app.add_subcommand("bpf", "What Keelson has in this node's kernel");
  bpf->require_subcommand(1);
  bpf->add_subcommand("programs", "Programs, how often they ran, what they cost");
  bpf->add_subcommand("links", "Where each program hangs, and whose pod that is");
  bpf->add_subcommand("maps", "Maps and how full they are");
  bpf->add_subcommand("map", "The rows of one configuration map, with names")
      ->add_option("name", options.map, "ks_pod, ks_service, ...")
      ->required();
}

void add_raw(CLI::App& app, Options& options) {
  auto* raw = app.add_subcommand("raw", "An answer of the agent as it is");
  raw->add_option("target", options.target, "/v1/status, ...")
      ->required()
      ->check([](const std::string& target) {
        return target.starts_with('/') ? std::string() : std::string("it begins with a slash");
      });
  auto* lines = raw->add_flag("--lines", options.lines, "Pass lines on as they come");
  raw->add_flag("--until-eof", options.until_eof, "Stop when the input ends")->needs(lines);
}

void add_observe(CLI::App& app, Options& options) {
  auto& wanted = options.observe;
  auto* observe = app.add_subcommand("observe", "Connections as they happen, one line each");
  observe->add_option("--last", wanted.last, "The last N recorded flows; then stop");
  auto* follow = observe->add_flag("-f,--follow", wanted.follow, "Go on with new flows");
  observe->add_flag("--no-follow", wanted.no_follow, "Stop after the recorded ones")
      ->excludes(follow);
  observe->add_option("--from", wanted.from, "Caller: start of NAMESPACE/POD, or an address");
  observe->add_option("--to", wanted.to,
                      "Receiver: start of NAMESPACE/POD or /SERVICE, or address");
  observe->add_option("--verdict", wanted.verdict, "allowed or denied")
      ->check(CLI::IsMember({"allowed", "denied"}));
  observe->add_option("--reason", wanted.reason, "A name that `reasons` lists")
      ->check(not_a_reason);
}

int run_config(const std::string& noun, Command& command) {
  const auto render = noun == "workloads"  ? render_workloads
                      : noun == "services" ? render_services
                      : noun == "routes"   ? render_routes
                                           : render_policies;
  return command.show("/v1/config/" + noun, {}, render);
}

int run_bpf(const std::string& noun, const Options& options, Command& command) {
  if (noun == "map") return command.show("/v1/bpf/rows", {{"map", options.map}}, render_bpf_rows);
  const auto render = noun == "programs" ? render_bpf_programs
                      : noun == "links"  ? render_bpf_links
                                         : render_bpf_maps;
  return command.show("/v1/bpf/" + noun, {}, render);
}

// At one agent. Called by several threads.
int run_verb(const CLI::App& app, const Options& options, const AgentLink& link,
             const Terminal& terminal) {
  Command command(options, link, terminal);
  const CLI::App* chosen = app.get_subcommands().front();
  const std::string verb = chosen->get_name();
  if (verb == "check") return command.check();
  if (verb == "ready") return command.ready();
  if (verb == "uninstall") return command.uninstall();
  if (verb == "status") return command.show("/v1/status", {}, render_status);
  if (verb == "observe") return command.observe();
  if (verb == "why") return command.why();
  if (verb == "version") return command.version();
  if (verb == "raw") return command.raw();
  const std::string noun = chosen->get_subcommands().front()->get_name();
  return verb == "bpf" ? run_bpf(noun, options, command) : run_config(noun, command);
}

// What comes on it meanwhile is thrown away.
bool has_ended(int in) {
  pollfd waited{in, POLLIN, 0};
  char bytes[256];
  return ::poll(&waited, 1, 0) > 0 && ::read(in, bytes, sizeof bytes) <= 0;
}

FleetOptions fleet_options(const std::string& verb, const Options& options) {
  FleetOptions fleet;
  fleet.node = options.node;
  fleet.json = options.json();
  if (verb == "why") fleet.caller = options.from;
  // Every agent knows all objects.
  if (verb == "config") fleet.choice = FleetOptions::Choice::kOneForAll;
  fleet.stream = verb == "observe" || options.lines;
  fleet.names_node = verb == "status";
  return fleet;
}

std::string advice_for(const Error& error, const Kubectl& kubectl) {
  if (error.source == ErrorSource::kConfig)
    return "install kubectl, or run keelsonctl in an agent's pod";
  if (error.reason == Reason::caller_not_allowed)
    return kubectl.hint("auth can-i create pods/exec");
  return kubectl.hint("get pods --output=wide");
}

int run_uninstall(const Options& options, const Terminal& terminal) {
  if (!options.kube.context.empty())
    return report(terminal, Reason::bad_usage, "uninstall --cluster knows no --context",
                  "kubectl config use-context NAME, then --kubeconfig FILE", kExitUsage);
  const auto api = KubeApi::open(options.kube.kubeconfig);
  if (!api)
    return report(terminal, api.error().reason, api.error().message(),
                  "outside of the cluster: keelsonctl uninstall --cluster --kubeconfig FILE",
                  kExitCannotReach);
  return uninstall_cluster(**api, {options.kube.ns, std::chrono::seconds(options.wait_seconds)},
                           terminal);
}

int run_in_cluster(const CLI::App& app, const Options& options, const Terminal& terminal) {
  const std::string verb = app.get_subcommands().front()->get_name();
  if (options.pre)
    return report(terminal, Reason::bad_usage, "check --pre looks at the machine that it runs on",
                  "kubectl debug node/NODE -it --profile=sysadmin --image=REGISTRY/keelson-agent:"
                  "VERSION -- keelsonctl check --pre --root /host",
                  kExitUsage);
  if (options.own || verb == "uninstall")
    return report(terminal, Reason::bad_usage, "this is for the agent's own pod",
                  "kubectl exec POD -- keelsonctl " + verb, kExitUsage);
  const ProcessRunner processes;
  const Kubectl kubectl(terminal.runner == nullptr ? processes : *terminal.runner, options.kube,
                        std::chrono::seconds(options.timeout_seconds));
  const FleetOptions fleet = fleet_options(verb, options);
  const auto agents = choose_agents(kubectl, fleet);
  if (!agents)
    return report(terminal, agents.error().reason, agents.error().context,
                  advice_for(agents.error(), kubectl), kExitCannotReach);
  return run_at(
      *agents, kubectl, fleet,
      [&](const AgentLink& link, const Terminal& at) { return run_verb(app, options, link, at); },
      terminal);
}

}  // namespace

int run(const std::vector<std::string>& arguments, const Terminal& terminal) {
  Options options;
  CLI::App app("", terminal.is_plugin ? "kubectl keelson" : "keelsonctl");
  add_common(app, options);
  add_cluster(app, options, terminal.is_plugin);
  add_check(app, options);
  app.add_subcommand("status", "Agent, configuration, pods, counters, findings");
  auto* ready = app.add_subcommand("ready", "Are the agent's start-up tasks done; for probes");
  ready->add_flag("--own", options.own,
                  "Only an agent of this pod counts, not the one it replaces");
  add_observe(app, options);
  add_uninstall(app, options);
  auto* why = app.add_subcommand("why", "Why a connection works or not, link by link");
  why->add_option("from", options.from, "NAMESPACE/POD")->required();
  why->add_option("to", options.to, "NAMESPACE/SERVICE-OR-POD[:PORT]")->required();
  auto* reasons = app.add_subcommand("reasons", "What the names of reasons mean");
  reasons->add_option("name", options.reason, "One of them [all]")->check(not_a_reason);
  add_config(app);
  add_bpf(app, options);
  add_raw(app, options);
  app.add_subcommand("version", "Versions of keelsonctl and of the agent");
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error, terminal.out, terminal.err);
    return code == 0 ? kExitOk : kExitUsage;
  }
  if (options.cluster) return run_uninstall(options, terminal);
  if (reasons->parsed()) return show_reasons(options, terminal);
  if (options.kube.is_wanted) return run_in_cluster(app, options, terminal);
  AdminClient agent(options.socket_path(), std::chrono::seconds(options.timeout_seconds),
                    options.advice());
  if (options.until_eof) agent.stop_when([&terminal] { return has_ended(terminal.in); });
  return run_verb(app, options, agent, terminal);
}

}  // namespace keelson::ctl
