#include "keelsonctl/commands.h"

#include <optional>
#include <ostream>
#include <sstream>

#include "base/reason.h"
#include "keelsonctl/admin_client.h"
#include "keelsonctl/local_checks.h"

#ifndef KEELSON_VERSION
#define KEELSON_VERSION "unknown"
#endif

namespace keelson::ctl {

int report(const Terminal& terminal, Reason code, const std::string& message,
           const std::string& next, int exit_code) {
  terminal.err << "error: " << plain_text(message) << " (" << reason_name(code) << ")\n";
  if (!next.empty()) terminal.err << "next: " << plain_text(next) << "\n";
  return exit_code;
}

int Command::report_unreachable(const Error& error) {
  if (error.reason != Reason::cannot_reach)
    return report(error.reason, error.message(), link_.advice(), kExitCannotReach);
  return report(Reason::cannot_reach, "the agent does not answer: " + error.context, link_.advice(),
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
  const auto reply = link_.get(path, query);
  if (!reply) return report_unreachable(reply.error());
  if (reply->status != 200) return report_problem(*reply);
  return print(reply->body, render);
}

int Command::check() {
  if (options_.pre) {
    const RealKernel real;
    const std::string& root = options_.root.empty() ? terminal_.checks_root : options_.root;
    return print(pre_checks_json(root, terminal_.kernel == nullptr ? real : *terminal_.kernel),
                 render_check);
  }
  const auto reply = link_.get("/v1/check");
  if (reply && reply->status == 200) return print(reply->body, render_check);
  if (options_.kube.is_wanted)
    return reply ? report_problem(*reply) : report_unreachable(reply.error());
  terminal_.err << "hint: no agent answers at " << plain_text(link_.place())
                << "; these checks look at this machine only\n";
  return print(local_checks_json(terminal_.checks_root), render_check);
}

// The text as it is, one line a task: a probe's output ends up in the pod's events.
int Command::ready() {
  const auto reply = link_.get("/readyz");
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
  const auto reply = link_.stream("/v1/observe", query, on_line);
  if (!reply) return report_unreachable(reply.error());
  if (unreadable)
    return report(unreadable->reason, unreadable->context, "keelsonctl version", kExitCannotReach);
  return reply->status == 200 ? kExitOk : report_problem(*reply);
}

int Command::version() {
  const auto reply = link_.get("/v1/version");
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

// For scripts, and for a keelsonctl that is not on the node: the exit code stands for the status.
int Command::raw() {
  const auto on_line = [&](std::string_view line) {
    terminal_.out << line << "\n";
    terminal_.out.flush();
    return terminal_.out.good();
  };
  const auto reply =
      options_.lines ? link_.stream(options_.target, {}, on_line) : link_.get(options_.target);
  if (!reply) return report_unreachable(reply.error());
  terminal_.out << reply->body;
  terminal_.out.flush();
  if (reply->status == 200) return kExitOk;
  if (reply->status == 400) return kExitUsage;
  return reply->status == 404 ? kExitFindings : kExitCannotReach;
}

}  // namespace keelson::ctl
