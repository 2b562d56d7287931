#include "keelsonctl/render.h"

#include "keelsonctl/answer.h"

namespace keelson::ctl {
namespace {

std::string duration(const Json& seconds) {
  if (!seconds.is_number_integer()) return {};
  const auto total = seconds.get<int64_t>();
  if (total < 120) return std::to_string(total) + "s";
  if (total < 7200) return std::to_string(total / 60) + "m";
  if (total < 172800) return std::to_string(total / 3600) + "h";
  return std::to_string(total / 86400) + "d";
}

std::string place(const Json& finding) {
  const std::string line = text(finding, "line");
  return text(finding, "file") + (line.empty() || line == "0" ? "" : ":" + line);
}

// "√ ‼ ×", as linkerd check prints them.
std::string mark(std::string_view result, const Style& style) {
  if (result == "ok") return style.paint(Color::kGreen, "√");
  if (result == "warning") return style.paint(Color::kYellow, "‼");
  if (result == "skipped") return style.paint(Color::kDim, "-");
  return style.paint(Color::kRed, "×");
}

std::string findings_text(const Json& status, const Style& style, bool& has_errors) {
  std::string out;
  for (const auto& finding : objects(status, "findings")) {
    const std::string severity = text(finding, "severity");
    if (severity == "error") has_errors = true;
    const Color color = severity == "error"     ? Color::kRed
                        : severity == "warning" ? Color::kYellow
                                                : Color::kDim;
    out += "  " + style.paint(color, plain_text(severity)) + " " + plain_text(place(finding)) +
           " " + plain_text(text(finding, "object")) + ": " + plain_text(text(finding, "message")) +
           " (" + plain_text(text(finding, "reason")) + ")\n";
    if (const std::string fix = text(finding, "fix"); !fix.empty())
      out += "      fix: " + plain_text(fix) + "\n";
  }
  return out.empty() ? out : "\nfindings\n" + out;
}

std::string counters_text(const Json& from, const char* name, const char* title,
                          const Style& style) {
  Table table({title, "COUNT"});
  for (const auto& counter : objects(from, name))
    table.add({text(counter, "reason"), text(counter, "count")});
  return table.empty() ? std::string() : "\n" + table.text(style);
}

// Who called whom lately.
std::string edges_text(const Json& status, const Style& style) {
  Table table({"FROM", "TO", "PATH", "ALLOWED", "DENIED", "LAST REFUSAL", "LAST SEEN"});
  for (const auto& edge : objects(status, "edges"))
    table.add({text(edge, "from"), text(edge, "to"), joined(member(edge, "paths")),
               text(edge, "allowed"), text(edge, "denied"), text(edge, "reason"),
               text(edge, "last_seen")});
  return table.empty() ? std::string() : "\n" + table.text(style);
}

std::string component(std::string_view name, bool good, const std::string& detail,
                      const Style& style) {
  std::string line = "  " + mark(good ? "ok" : "error", style) + " " + std::string(name);
  line.append(name.size() < 14 ? 14 - name.size() : 1, ' ');
  return line + plain_text(detail) + "\n";
}

std::string components_text(const Json& status, const Style& style, bool& has_findings) {
  const Json& generation = member(status, "generation");
  const Json& rollout = member(status, "rollout");
  const bool ready = flag(status, "ready");
  const bool current = text(generation, "snapshot") == text(generation, "applied");
  const bool hold = flag(member(status, "hold"), "connected");
  has_findings = has_findings || !ready || !current || !hold;
  std::string out = component("agent", ready,
                              (ready ? "ready" : "not ready") + std::string(", version ") +
                                  text(status, "version") + ", pid " + text(status, "pid") +
                                  ", up " + duration(member(status, "uptime_seconds")),
                              style);
  for (const auto& task : objects(status, "missing"))
    out += "      missing: " + plain_text(text(task, "task")) + ": " +
           plain_text(text(task, "detail")) + "\n";
  std::string configuration = "generation " + text(generation, "applied") + " of " +
                              text(generation, "snapshot") + " in the kernel, rollout " +
                              text(rollout, "phase");
  if (const std::string wait = text(rollout, "waiting_for"); !wait.empty())
    configuration += ", waiting until " + wait;
  out += component("configuration", current, configuration, style);
  out += component("hold", hold, hold ? "connected" : "not connected", style);
  const Json& proxy = member(status, "proxy");
  // A node may run without a proxy as long as nothing needs one, so this is no finding.
  const bool connected = flag(proxy, "connected");
  out += "  " + (connected ? mark("ok", style) : mark("skipped", style)) + " proxy         " +
         (connected ? "connected, generation " + text(proxy, "acknowledged_generation")
                    : "not connected: only direct connections pass") +
         "\n";
  const Json& pods = member(status, "pods");
  const bool refused = text(pods, "refused") != "0";
  has_findings = has_findings || refused;
  out += component("pods", !refused,
                   text(pods, "ready") + " of " + text(pods, "meshed") + " meshed are ready, " +
                       text(pods, "local") + " on the node, " + text(pods, "refused") + " refused",
                   style);
  return out;
}

std::string endpoints_text(const Json& port) {
  size_t ready = 0, total = 0;
  for (const auto& endpoint : objects(port, "endpoints")) {
    ++total;
    if (flag(endpoint, "ready")) ++ready;
  }
  return std::to_string(ready) + "/" + std::to_string(total);
}

std::string pairs(const Json& object, const char* separator) {
  std::string all;
  if (!object.is_object()) return all;
  for (const auto& [name, value] : object.items())
    all += (all.empty() ? "" : ",") + name + separator + text(value);
  return all;
}

std::string or_address(const std::string& name, const std::string& address) {
  return plain_text(name.empty() ? address : name);
}

}  // namespace

Result<Rendered> render_status(std::string_view json, const Style& style) {
  KS_ASSIGN(const Json status, parse(json));
  Rendered result;
  result.out = style.paint(Color::kBold, "node " + plain_text(text(status, "node"))) + "\n";
  result.out += components_text(status, style, result.has_findings);
  Table workloads({"POD", "STATE", "REASON", "DETAIL"});
  for (const auto& pod : objects(status, "workloads"))
    workloads.add({text(pod, "pod"), text(pod, "state"), text(pod, "reason"), text(pod, "detail")});
  if (!workloads.empty()) result.out += "\n" + workloads.text(style);
  result.out += edges_text(status, style);
  result.out += counters_text(status, "connections", "CONNECTIONS", style);
  result.out += counters_text(status, "refusals", "REFUSALS", style);
  result.out += counters_text(member(status, "proxy"), "outcomes", "PROXIED", style);
  result.out += findings_text(status, style, result.has_findings);
  if (text(status, "events_lost") != "0" && !text(status, "events_lost").empty())
    result.hints = "hint: " + plain_text(text(status, "events_lost")) +
                   " flow events were lost: observe does not show everything\n";
  return result;
}

Result<Rendered> render_workloads(std::string_view json, const Style& style) {
  KS_ASSIGN(const Json answer, parse(json));
  Table table(
      {"NAMESPACE", "POD", "NODE", "ADDRESSES", "STATE", "REASON", "MODE", "IDENTITY", "POLICIES"});
  for (const auto& pod : objects(answer, "workloads"))
    table.add({text(pod, "namespace"), text(pod, "name"), text(pod, "node"),
               joined(member(pod, "addresses")), text(pod, "state"), text(pod, "reason"),
               text(pod, "mode"), text(pod, "identity"), joined(member(pod, "policies"))});
  Rendered result{table.text(style), {}, false};
  if (table.empty())
    result.hints = "hint: no pod is known; label a namespace with keelson.dev/mesh=enabled\n";
  return result;
}

Result<Rendered> render_services(std::string_view json, const Style& style) {
  KS_ASSIGN(const Json answer, parse(json));
  Table table({"NAMESPACE", "SERVICE", "ADDRESSES", "PORT", "TARGET", "PROTOCOL", "ENDPOINTS",
               "SERVED BY", "DETAIL"});
  for (const auto& service : objects(answer, "services"))
    for (const auto& port : objects(service, "ports")) {
      const char* served = flag(port, "routed_per_request") ? "proxy"
                           : flag(port, "implemented")      ? "kernel"
                                                            : "kube-proxy";
      table.add({text(service, "namespace"), text(service, "name"),
                 joined(member(service, "addresses")), text(port, "port"), text(port, "target"),
                 text(port, "application_protocol"), endpoints_text(port), served,
                 text(service, "detail")});
    }
  return Rendered{table.text(style), {}, false};
}

Result<Rendered> render_routes(std::string_view json, const Style& style) {
  KS_ASSIGN(const Json answer, parse(json));
  Rendered result;
  Table table({"SERVICE", "PORT", "CLIENTS", "MATCH", "BACKENDS", "TIMEOUT", "FILTERS", "ROUTE"});
  for (const auto& route : objects(answer, "routes")) {
    const Json summary = member(route, "summary");
    for (const auto& backend : objects(route, "backends"))
      if (!flag(backend, "valid") && text(backend, "weight") != "0") result.has_findings = true;
    table.add({text(route, "service"), text(route, "port"), text(route, "clients"),
               text(route, "match"), text(summary, "backends"), text(summary, "timeout"),
               text(route, "filters"), text(route, "rule")});
  }
  result.out = table.text(style);
  if (table.empty()) result.hints = "hint: no HTTPRoute has a Service of the mesh as its parent\n";
  if (result.has_findings) result.hints = "hint: keelsonctl status says what is wrong\n";
  return result;
}

Result<Rendered> render_policies(std::string_view json, const Style& style) {
  KS_ASSIGN(const Json answer, parse(json));
  Rendered result;
  Table table({"NAMESPACE", "POLICY", "KIND", "ACTION", "RULES", "SELECTOR", "PODS", "PLACE"});
  for (const auto& policy : objects(answer, "policies")) {
    std::string action = text(policy, "action") + text(policy, "mode");
    if (const std::string ports = pairs(member(policy, "port_modes"), ":"); !ports.empty())
      action += " " + ports;
    if (flag(policy, "unreadable")) {
      action = "unreadable: denies";
      result.has_findings = true;
    }
    table.add({text(policy, "namespace"), text(policy, "name"), text(policy, "kind"), action,
               text(policy, "rules"), pairs(member(policy, "selector"), "="),
               joined(member(policy, "selects")), place(policy)});
  }
  result.out = table.text(style);
  if (result.has_findings) result.hints = "hint: keelsonctl status says what is wrong\n";
  return result;
}

Result<Rendered> render_why(std::string_view json, const Style& style) {
  KS_ASSIGN(const Json answer, parse(json));
  Rendered result;
  std::string target = plain_text(text(answer, "to"));
  if (const std::string port = text(answer, "port"); !port.empty() && port != "0")
    target += ":" + port;
  const std::string from = plain_text(text(answer, "from"));
  result.out = from + " -> " + target;
  if (const std::string pod = text(answer, "destination"); !pod.empty())
    result.out += " (" + plain_text(pod) + ")";
  result.out += "\n";
  for (const auto& link : objects(answer, "links")) {
    const std::string name = plain_text(text(link, "name"));
    result.out += "  " + mark(text(link, "result"), style) + " " + name;
    result.out.append(name.size() < 15 ? 15 - name.size() : 1, ' ');
    result.out += plain_text(text(link, "detail")) + "\n";
    if (const std::string fix = text(link, "fix"); !fix.empty())
      result.out += "      mend: " + plain_text(fix) + "\n";
  }
  const std::string broken = plain_text(text(answer, "broken"));
  result.has_findings = !broken.empty();
  if (result.has_findings)
    result.out += style.paint(Color::kRed, "broken at " + broken) + "\n";
  else if (const std::string node = plain_text(text(answer, "decided_by")); !node.empty())
    result.out += style.paint(Color::kYellow, "nothing is broken here, path " +
                                                  plain_text(text(answer, "path")) + "; node " +
                                                  node + " decides the rest") +
                  "\n";
  else
    result.out +=
        style.paint(Color::kGreen, "allowed, path " + plain_text(text(answer, "path"))) + "\n";
  return result;
}

Result<Rendered> render_check(std::string_view json, const Style& style) {
  KS_ASSIGN(const Json answer, parse(json));
  Rendered result;
  std::string group;
  bool warned = false;
  for (const auto& check : objects(answer, "checks")) {
    if (const std::string title = plain_text(text(check, "group")); title != group) {
      result.out += (group.empty() ? "" : "\n") + style.paint(Color::kBold, title) + "\n" +
                    std::string(display_width(title), '-') + "\n";
      group = title;
    }
    const std::string outcome = text(check, "result");
    warned = warned || outcome == "warning";
    result.has_findings = result.has_findings || outcome == "error";
    result.out += mark(outcome, style) + " " + plain_text(text(check, "name")) + "\n";
    if (const std::string detail = text(check, "detail"); !detail.empty() && outcome != "ok")
      result.out += "    " + plain_text(detail) + "\n";
    if (const std::string fix = text(check, "fix"); !fix.empty() && outcome != "ok")
      result.out += "    fix: " + plain_text(fix) + "\n";
  }
  const char* summary = result.has_findings ? "error" : warned ? "warning" : "ok";
  result.out += "\nCheck results are " + mark(summary, style) + "\n";
  return result;
}

Result<std::string> render_flow(std::string_view json, const Style& style) {
  KS_ASSIGN(const Json flow, parse(json));
  if (const Json& lost = member(flow, "lost"); !lost.is_null())
    return style.paint(Color::kYellow, "(" + text(lost) + " flows lost: this reader is too slow)") +
           "\n";
  const bool allowed = text(flow, "verdict") == "allowed";
  const std::string source = plain_text(text(flow, "source"));
  const std::string original = plain_text(text(flow, "original"));
  const std::string destination = plain_text(text(flow, "destination"));
  std::string line = plain_text(text(flow, "time")) + " " + or_address(text(flow, "from"), source) +
                     " -> " + or_address(text(flow, "to"), destination);
  if (const std::string service = text(flow, "service"); !service.empty())
    line += " (" + plain_text(service) + ")";
  line += " " + style.paint(allowed ? Color::kGreen : Color::kRed, allowed ? "ALLOWED" : "DENIED");
  line += " " + plain_text(text(flow, "path")) + " reason=" + plain_text(text(flow, "reason"));
  if (const std::string policy = text(flow, "policy"); !policy.empty())
    line += " policy=\"" + plain_text(policy) + "\"";
  line += " " + source + ">" + destination;
  if (original != destination) line += " dialled=" + original;
  return line + "\n";
}

Result<Rendered> render_json(std::string_view json) {
  KS_ASSIGN(const Json answer, parse(json));
  return Rendered{answer.dump(2, ' ', true, Json::error_handler_t::replace) + "\n", {}, false};
}

Result<std::string> render_json_line(std::string_view json) {
  KS_ASSIGN(const Json answer, parse(json));
  return answer.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

Problem read_problem(std::string_view json) {
  const auto answer = parse(json);
  if (!answer) return {"internal", "the agent gave no reason", "keelsonctl status"};
  const Json& error = member(*answer, "error");
  return {plain_text(text(error, "code")), plain_text(text(error, "message")),
          plain_text(text(error, "next"))};
}

Result<AgentVersion> read_version(std::string_view json) {
  KS_ASSIGN(const Json answer, parse(json));
  return AgentVersion{plain_text(text(answer, "version")), plain_text(text(answer, "build")),
                      plain_text(text(answer, "node"))};
}

Result<Removal> read_removal(std::string_view json) {
  KS_ASSIGN(const Json answer, parse(json));
  const auto code = answer.find("code");
  if (code == answer.end() || !code->is_number_integer())
    return fail(Reason::bad_value, ErrorSource::kUpstream, "the answer has no code");
  if (code->get<int>() == 0) return Removal{};
  return Removal{text(answer, "msg"), text(answer, "details")};
}

}  // namespace keelson::ctl
