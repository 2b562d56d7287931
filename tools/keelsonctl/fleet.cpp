#include "keelsonctl/fleet.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <ostream>
#include <sstream>
#include <thread>

#include "keelsonctl/answer.h"
#include "keelsonctl/kube_link.h"
#include "keelsonctl/table.h"

namespace keelson::ctl {
namespace {

constexpr size_t kAtATime = 8;
constexpr size_t kStreamsMax = 32;

// Lines of many nodes into one stream, each whole. Any thread.
class Merged {
 public:
  explicit Merged(std::ostream& to) : to_(to) {}
  void write(std::string_view text) {
    const std::lock_guard lock(mutex_);
    to_ << text;
    to_.flush();
    if (!to_.good()) is_over_ = true;
  }
  bool is_over() const noexcept { return is_over_; }

 private:
  std::mutex mutex_;
  std::ostream& to_;
  std::atomic<bool> is_over_ = false;
};

// What one node writes; passed on whenever it is flushed.
class NodeBuffer final : public std::stringbuf {
 public:
  NodeBuffer(Merged& to, std::string prefix) : to_(to), prefix_(std::move(prefix)) {}
  ~NodeBuffer() override { pass_on(); }

 private:
  int sync() override {
    pass_on();
    return to_.is_over() ? -1 : 0;
  }
  void pass_on() {
    std::string text;
    std::istringstream lines(str());
    for (std::string line; std::getline(lines, line);) text += prefix_ + line + "\n";
    str("");
    if (!text.empty()) to_.write(text);
  }

  Merged& to_;
  std::string prefix_;
};

// At most kAtATime at once, unless they are streams: those have to run all together.
void for_each_at_once(size_t count, size_t at_once, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next = 0;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < std::min(count, at_once); ++i)
    threads.emplace_back([&] {
      for (size_t index = next++; index < count; index = next++) work(index);
    });
  for (std::thread& thread : threads) thread.join();
}

Terminal with(const Terminal& terminal, std::ostream& out, std::ostream& err) {
  return {out,
          err,
          terminal.is_tty,
          terminal.no_color,
          terminal.checks_root,
          terminal.is_plugin,
          terminal.runner,
          terminal.kernel};
}

int worst_of(const std::vector<NodeOutcome>& outcomes) {
  int worst = kExitOk;
  for (const NodeOutcome& outcome : outcomes) worst = std::max(worst, outcome.code);
  return worst;
}

int run_streams(const std::vector<NodeAgent>& agents, const Kubectl& kubectl,
                const FleetOptions& options, const NodeCommand& command, const Terminal& terminal) {
  Merged out(terminal.out), err(terminal.err);
  std::vector<NodeOutcome> outcomes(agents.size());
  const bool prefixed = agents.size() > 1 && !options.json;
  for_each_at_once(agents.size(), agents.size(), [&](size_t i) {
    const std::string prefix = plain_text(agents[i].node) + " ";
    NodeBuffer out_buffer(out, prefixed ? prefix : ""), err_buffer(err, prefix);
    std::ostream node_out(&out_buffer), node_err(&err_buffer);
    const KubeLink link(kubectl, agents[i], [&out] { return !out.is_over(); });
    outcomes[i].code = command(link, with(terminal, node_out, node_err));
  });
  return worst_of(outcomes);
}

std::vector<NodeOutcome> run_all(const std::vector<NodeAgent>& agents, const Kubectl& kubectl,
                                 const NodeCommand& command, const Terminal& terminal) {
  std::vector<NodeOutcome> outcomes(agents.size());
  for_each_at_once(agents.size(), kAtATime, [&](size_t i) {
    std::ostringstream out, err;
    const KubeLink link(kubectl, agents[i]);
    const int code = command(link, with(terminal, out, err));
    outcomes[i] = {agents[i].node, code, out.str(), err.str()};
  });
  return outcomes;
}

}  // namespace

Result<std::vector<NodeAgent>> choose_agents(const Kubectl& kubectl, const FleetOptions& options) {
  std::string node = options.node;
  if (const size_t slash = options.caller.find('/'); node.empty() && slash != std::string::npos) {
    KS_ASSIGN(node,
              kubectl.node_of(options.caller.substr(0, slash), options.caller.substr(slash + 1)));
  }
  KS_ASSIGN(auto agents, kubectl.agents());
  if (node.empty()) {
    if (options.choice == FleetOptions::Choice::kEveryNode) return agents;
    const auto running = std::find_if(agents.begin(), agents.end(),
                                      [](const NodeAgent& agent) { return agent.problem.empty(); });
    return std::vector{running == agents.end() ? agents.front() : *running};
  }
  std::string others;
  for (NodeAgent& agent : agents) {
    if (agent.node == node) return std::vector{std::move(agent)};
    others += (others.empty() ? "" : ", ") + agent.node;
  }
  return fail(Reason::not_found, ErrorSource::kKube,
              "no agent runs on node " + node + "; there is one on " + others);
}

int run_at(const std::vector<NodeAgent>& agents, const Kubectl& kubectl,
           const FleetOptions& options, const NodeCommand& command, const Terminal& terminal) {
  if (options.stream && agents.size() > kStreamsMax) {
    terminal.err << "error: " << agents.size() << " nodes are too many to follow at a time ("
                 << reason_name(Reason::bad_usage) << ")\nnext: name one: --node NODE\n";
    return kExitUsage;
  }
  if (options.stream) return run_streams(agents, kubectl, options, command, terminal);
  const auto outcomes = run_all(agents, kubectl, command, terminal);
  const bool one = agents.size() == 1 && (!options.node.empty() || !options.caller.empty() ||
                                          options.choice == FleetOptions::Choice::kOneForAll);
  if (options.json && !one) terminal.out << outcomes_json(outcomes);
  const Style style{terminal.is_tty && !terminal.no_color};
  for (size_t i = 0; i < outcomes.size() && (one || !options.json); ++i) {
    const NodeOutcome& outcome = outcomes[i];
    const bool headed = !one && !(options.names_node && !outcome.out.empty());
    if (i > 0) terminal.out << "\n";
    if (headed)
      terminal.out << style.paint(Color::kBold, "node " + plain_text(outcome.node)) << "\n";
    terminal.out << outcome.out;
    terminal.out.flush();
    terminal.err << outcome.err;
  }
  if (options.choice == FleetOptions::Choice::kOneForAll && options.node.empty() &&
      options.caller.empty())
    terminal.err << "hint: as the agent of " << plain_text(agents.front().node)
                 << " knows it; another one: --node NODE\n";
  terminal.out.flush();
  return worst_of(outcomes);
}

std::string outcomes_json(const std::vector<NodeOutcome>& outcomes) {
  Json nodes = Json::array();
  for (const NodeOutcome& outcome : outcomes) {
    Json entry{{"node", outcome.node}, {"code", outcome.code}};
    Json answer = Json::parse(outcome.out, nullptr, false);
    if (answer.is_discarded())
      entry["error"] = outcome.err.substr(0, outcome.err.find('\n'));
    else
      entry["answer"] = std::move(answer);
    nodes.push_back(std::move(entry));
  }
  return Json{{"nodes", std::move(nodes)}}.dump(2, ' ', true, Json::error_handler_t::replace) +
         "\n";
}

}  // namespace keelson::ctl
