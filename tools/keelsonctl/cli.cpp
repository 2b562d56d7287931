#include "keelsonctl/cli.h"

#include <CLI/CLI.hpp>
#include <optional>
#include <ostream>
#include <sstream>
#include <utility>

#include "base/reason.h"
#include "keelsonctl/admin_client.h"
#include "keelsonctl/local_checks.h"
#include "keelsonctl/render.h"

#ifndef KEELSON_VERSION
#define KEELSON_VERSION "unknown"
#endif

namespace keelson::ctl {
namespace {

struct Options {
  std::string run_dir = "/run/keelson";
  std::string node;  // lab node
  std::string output = "table";
  unsigned timeout_seconds = 10;
  bool own = false;      // ready
  std::string from, to;  // why
  struct {
    std::optional<unsigned> last;
    bool follow = false, no_follow = false;
    std::string from, to, verdict, reason;
  } observe;

  bool json() const { return output == "json"; }
  std::string socket_path() const {
    return (node.empty() ? run_dir : "/run/keelson-lab/" + node + "/run") + "/agent.sock";
  }
};

class Command {
 public:
  Command(const Options& options, const Terminal& terminal)
      : options_(options),
        terminal_(terminal),
        style_{terminal.is_tty && !terminal.no_color},
        client_(options.socket_path(), std::chrono::seconds(options.timeout_seconds)) {}

  using Render = Result<Rendered> (*)(std::string_view, const Style&);
  int show(std::string_view path, const Query& query, Render render);
  int check();
  int ready();
  int uninstall();
  int why();
  int observe();
  int version();

 private:
  int report(Reason code, const std::string& message, const std::string& next, int exit_code);
  int report_unreachable(const Error& error);
  int report_problem(const Reply& reply);
  int print(std::string_view json, Render render);

  const Options& options_;
  const Terminal& terminal_;
  Style style_;
  AdminClient client_;
};

// "error: code(reason): cause", then the next command.
int Command::report(Reason code, const std::string& message, const std::string& next,
                    int exit_code) {
  terminal_.err << "error: " << plain_text(message) << " (" << reason_name(code) << ")\n";
  if (!next.empty()) terminal_.err << "next: " << plain_text(next) << "\n";
  return exit_code;
}

int Command::report_unreachable(const Error& error) {
  if (error.reason != Reason::cannot_reach)
    return report(error.reason, error.message(), "keelsonctl status", kExitCannotReach);
  return report(Reason::cannot_reach, "the agent does not answer: " + error.context,
                options_.node.empty()
                    ? "keelsonctl check (as root, on the node); in the lab: keelsonctl --node NODE"
                    : "tools/dev/lab up",
                kExitCannotReach);
}

int Command::report_problem(const Reply& reply) {
  const Problem problem = read_problem(reply.body);
  terminal_.err << "error: " << problem.message << " (" << problem.code << ", HTTP " << reply.status
                << ")\n";
  if (!problem.next.empty()) terminal_.err << "next: " << problem.next << "\n";
  if (reply.status == 400) return kExitUsage;
  return reply.status == 404 ? kExitFindings : kExitCannotReach;
}

int Command::print(std::string_view json, Render render) {
  auto rendered = render(json, style_);
  if (!rendered)
    return report(rendered.error().reason, rendered.error().context, "keelsonctl version",
                  kExitCannotReach);
  if (options_.json()) {
    const auto plain = render_json(json);
    terminal_.out << (plain ? plain->out : "");
  } else {
    terminal_.out << rendered->out;
    terminal_.err << rendered->hints;
  }
  terminal_.out.flush();
  return rendered->has_findings ? kExitFindings : kExitOk;
}

int Command::show(std::string_view path, const Query& query, Render render) {
  const auto reply = client_.get(path, query);
  if (!reply) return report_unreachable(reply.error());
  if (reply->status != 200) return report_problem(*reply);
  return print(reply->body, render);
}

int Command::check() {
  const auto reply = client_.get("/v1/check");
  if (reply && reply->status == 200) return print(reply->body, render_check);
  terminal_.err << "hint: no agent answers at " << plain_text(client_.socket_path())
                << "; these checks look at this machine only\n";
  return print(local_checks_json(terminal_.checks_root), render_check);
}

// The text as it is, one line a task: a probe's output ends up in the pod's events.
int Command::ready() {
  const auto reply = client_.get("/readyz");
  if (!reply) return report_unreachable(reply.error());
  if (reply->status != 200 && reply->status != 503) return report_problem(*reply);
  if (options_.own && reply->listener == 0)
    return report(Reason::cannot_reach,
                  "another pod's agent answers: the one of this pod has not taken over yet", "",
                  kExitCannotReach);
  std::istringstream lines(reply->body);
  for (std::string line; std::getline(lines, line);) terminal_.out << plain_text(line) << "\n";
  terminal_.out.flush();
  return reply->status == 200 ? kExitOk : kExitFindings;
}

// The agent removes what it made the container runtime call, so that pods start without it.
int Command::uninstall() {
  const AdminClient gate(options_.run_dir + "/cni.sock",
                         std::chrono::seconds(options_.timeout_seconds));
  const auto reply = gate.post("/uninstall", "{}");
  if (!reply) return report_unreachable(reply.error());
  if (reply->status != 200) return report_problem(*reply);
  const auto done = read_removal(reply->body);
  if (!done)
    return report(done.error().reason, done.error().context, "keelsonctl version",
                  kExitCannotReach);
  if (!done->failure.empty())
    return report(Reason::io_error, done->failure, done->fix, kExitFindings);
  terminal_.out << "keelson-cni is off this node: pods start without the mesh\n";
  return kExitOk;
}

int Command::why() {
  Query query{{"from", options_.from}};
  std::string to = options_.to;
  if (const auto colon = to.rfind(':'); colon != std::string::npos) {
    query.emplace_back("port", to.substr(colon + 1));
    to.resize(colon);
    if (query.back().second.empty())
      return report(Reason::bad_usage, "no port after the colon",
                    "keelsonctl why shop/web-1 shop/pay:80", kExitUsage);
  }
  if (options_.from.find('/') == std::string::npos || to.find('/') == std::string::npos)
    return report(Reason::bad_usage, "both ends are NAMESPACE/NAME",
                  "keelsonctl why shop/web-1 shop/pay:80", kExitUsage);
  query.emplace_back("to", to);
  return show("/v1/why", query, render_why);
}

int Command::observe() {
  const auto& wanted = options_.observe;
  const bool follow = wanted.follow || (terminal_.is_tty && !wanted.no_follow && !wanted.last);
  Query query{{"last", std::to_string(wanted.last.value_or(follow ? 0 : 20))}};
  if (follow) query.emplace_back("follow", "1");
  if (!wanted.from.empty()) query.emplace_back("from", wanted.from);
  if (!wanted.to.empty()) query.emplace_back("to", wanted.to);
  if (!wanted.verdict.empty()) query.emplace_back("verdict", wanted.verdict);
  if (!wanted.reason.empty()) query.emplace_back("reason", wanted.reason);
  std::optional<Error> unreadable;
  const auto on_line = [&](std::string_view line) {
    const auto text = options_.json() ? render_json_line(line) : render_flow(line, style_);
    if (!text) {
      unreadable = text.error();
      return false;
    }
    terminal_.out << *text;
    terminal_.out.flush();  // a pipe's reader wants each line now
    return terminal_.out.good();
  };
  const auto reply = client_.stream("/v1/observe", query, on_line);
  if (!reply) return report_unreachable(reply.error());
  if (unreadable)
    return report(unreadable->reason, unreadable->context, "keelsonctl version", kExitCannotReach);
  return reply->status == 200 ? kExitOk : report_problem(*reply);
}

int Command::version() {
  const auto reply = client_.get("/v1/version");
  const bool answered = reply && reply->status == 200;
  const auto agent = answered ? read_version(reply->body) : Result<AgentVersion>(AgentVersion{});
  if (!agent)
    return report(agent.error().reason, agent.error().context, "keelsonctl status",
                  kExitCannotReach);
  if (options_.json()) {
    terminal_.out << R"({"client": ")" << KEELSON_VERSION << R"(", "agent": ")" << agent->version
                  << R"(", "build": ")" << agent->build << R"(", "node": ")" << agent->node
                  << "\"}\n";
    return answered ? kExitOk : kExitCannotReach;
  }
  terminal_.out << "keelsonctl " << KEELSON_VERSION << "\n";
  if (!answered) {
    if (!reply) return report_unreachable(reply.error());
    return report_problem(*reply);
  }
  terminal_.out << "agent      " << agent->version
                << (agent->build.empty() ? "" : " (" + agent->build + ")") << " on node "
                << agent->node << "\n";
  return kExitOk;
}

void add_common(CLI::App& app, Options& options) {
  app.description(
      "Talks to the Keelson agent of a node over its socket.\n"
      "Exit codes: 0 fine, 1 findings, 2 wrong usage, 3 the agent cannot be reached.");
  app.require_subcommand(1);
  app.fallthrough();  // global options may follow the verb
  auto* run_dir =
      app.add_option("--run-dir", options.run_dir, "Folder of agent.sock")->capture_default_str();
  app.add_option("--node", options.node, "Node of the lab: /run/keelson-lab/NODE/run")
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
  observe->add_option("--reason", wanted.reason, "A name from the reason table")
      ->check([](const std::string& name) {
        for (const auto& info : kReasons)
          if (info.name == name) return std::string();
        return "no such reason: " + name;
      });
}

}  // namespace

int run(const std::vector<std::string>& arguments, const Terminal& terminal) {
  Options options;
  CLI::App app("", "keelsonctl");
  add_common(app, options);
  app.add_subcommand("check", "Can this node run Keelson; what to do about each problem");
  app.add_subcommand("status", "Agent, configuration, pods, counters, findings");
  auto* ready = app.add_subcommand("ready", "Are the agent's start-up tasks done; for probes");
  ready->add_flag("--own", options.own,
                  "Only an agent of this pod counts, not the one it replaces");
  add_observe(app, options);
  app.add_subcommand("uninstall", "Take keelson-cni off this node, before its agent goes for good");
  auto* why = app.add_subcommand("why", "Why a connection works or not, link by link");
  why->add_option("from", options.from, "NAMESPACE/POD")->required();
  why->add_option("to", options.to, "NAMESPACE/SERVICE-OR-POD[:PORT]")->required();
  auto* config = app.add_subcommand("config", "What this node knows");
  config->require_subcommand(1);
  config->add_subcommand("workloads", "Pods, their identity and state in the mesh");
  config->add_subcommand("services", "Services, who serves them, endpoints");
  config->add_subcommand("routes", "HTTP rules of Services, in order of precedence");
  config->add_subcommand("policies", "Policies and what they select");
  app.add_subcommand("version", "Versions of keelsonctl and of the agent");
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error, terminal.out, terminal.err);
    return code == 0 ? kExitOk : kExitUsage;
  }
  Command command(options, terminal);
  const std::string verb = app.get_subcommands().front()->get_name();
  if (verb == "check") return command.check();
  if (verb == "ready") return command.ready();
  if (verb == "uninstall") return command.uninstall();
  if (verb == "status") return command.show("/v1/status", {}, render_status);
  if (verb == "observe") return command.observe();
  if (verb == "why") return command.why();
  if (verb == "version") return command.version();
  const std::string noun = config->get_subcommands().front()->get_name();
  const auto render = noun == "workloads"  ? render_workloads
                      : noun == "services" ? render_services
                      : noun == "routes"   ? render_routes
                                           : render_policies;
  return command.show("/v1/config/" + noun, {}, render);
}

}  // namespace keelson::ctl
