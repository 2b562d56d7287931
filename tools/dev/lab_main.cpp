// The `lab` command: two nodes and their pods on this machine. See lab_client.h for what each
// subcommand does; `lab supervise` is the long-lived process behind `lab up`.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "lab_cleanup.h"
#include "lab_client.h"
#include "lab_command.h"
#include "lab_ready.h"
#include "lab_supervisor.h"

namespace {

using namespace keelson;
using namespace keelson::lab;

constexpr std::chrono::seconds kReadyPatience{20};
constexpr int kFine = 0, kFailed = 1, kBadUsage = 2, kCannotReach = 3;

int report(const Error& error) {
  fmt::print(stderr, "lab: {}\n", describe(error));
  if (error.reason == Reason::bad_usage) return kBadUsage;
  return error.reason == Reason::cannot_reach ? kCannotReach : kFailed;
}
int report(const Result<void>& done) {
  return done ? kFine : report(done.error());
}
int report(const Result<std::string>& done) {
  if (!done) return report(done.error());
  fmt::print("{}", *done);
  return kFine;
}

struct Options {
  Layout layout;
  std::vector<std::string> without, sysctls;
  std::string manifests, file, object, component, node, pod;
  std::vector<std::string> command;
  bool foreground = false, replace = false, no_restart = false, follow = false;
  int report_fd = -1, lifeline_fd = -1;
};

Result<void> read_options(Options& options) {
  for (const std::string& name : options.without) {
    KS_ASSIGN(Component component, component_from(name));
    options.layout.without.insert(component);
  }
  for (const std::string& setting : options.sysctls) {
    const size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(Reason::bad_usage, ErrorSource::kConfig,
                  fmt::format("--sysctl {}: NAME=VALUE", setting));
    options.layout.sysctls[setting.substr(0, equals)] = setting.substr(equals + 1);
  }
  return {};
}

// The supervisor. Its report (pipe) gets "up" or the reason why not.
int supervise(Options& options) {
  Fd pipe(options.report_fd);
  if (pipe) ::fcntl(pipe.get(), F_SETFD, FD_CLOEXEC);
  if (options.lifeline_fd >= 0) ::fcntl(options.lifeline_fd, F_SETFD, FD_CLOEXEC);
  auto tell = [&](const std::string& text) {
    if (pipe) {
      [[maybe_unused]] ssize_t n = ::write(pipe.get(), text.data(), text.size());
    }
    pipe.reset();
  };
  std::vector<SourceFile> manifests;
  if (!options.manifests.empty()) {
    // Programs of pods find files beside their manifests by $(KEELSON_MANIFESTS).
    ::setenv("KEELSON_MANIFESTS", std::filesystem::absolute(options.manifests).c_str(), 1);
    auto files = read_manifests(options.manifests);
    if (!files) {
      tell(describe(files.error()));
      return report(files.error());
    }
    manifests = std::move(*files);
  }
  bool is_foreground = options.foreground;
  Supervisor supervisor(options.layout, manifests, Fd(options.lifeline_fd));
  auto ended = supervisor.run([&] {
    tell("up");
    if (is_foreground) {
      fmt::print("lab {} is up; Ctrl-C ends it\n", options.layout.prefix);
      std::fflush(stdout);
      return;
    }
    Fd log(::open(options.layout.supervisor_log().c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644));
    if (log) ::dup2(log.get(), 2);
  });
  if (!ended) tell(describe(ended.error()));
  return report(ended);
}

int up(Options& options) {
  Client client(options.layout);
  if (options.replace)
    if (auto gone = client.down(); !gone) return report(gone.error());
  if (options.foreground) return supervise(options);
  auto done = client.up({options.manifests, false});
  if (!done) return report(done.error());
  if (auto ready = wait_ready(options.layout, kReadyPatience); !ready) return report(ready);
  fmt::print("lab {} is up: `lab status` shows it, `lab down` removes it\n", options.layout.prefix);
  return kFine;
}

int run_in_sandbox(const Options& options, const std::string& where,
                   const std::vector<std::string>& words) {
  auto sandbox = Client(options.layout).sandbox(where);
  if (!sandbox) return report(sandbox.error());
  if (auto entered = enter(*sandbox); !entered) return report(entered.error());
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  fmt::print(stderr, "lab: {}: {}\n", words[0], std::strerror(errno));
  return 127;
}

int apply(const Options& options) {
  auto files = read_manifests(options.file);
  if (!files) return report(files.error());
  return report(Client(options.layout).apply(*files));
}

int remove(const Options& options) {
  size_t slash = options.object.find('/');
  if (slash == std::string::npos)
    return report(fail(Reason::bad_usage, ErrorSource::kConfig, "KIND/[NAMESPACE/]NAME").value());
  return report(Client(options.layout)
                    .remove(options.object.substr(0, slash), options.object.substr(slash + 1)));
}

int kill(const Options& options) {
  auto component = component_from(options.component);
  if (!component) return report(component.error());
  auto killed = Client(options.layout).kill(*component, options.node, !options.no_restart);
  if (!killed) return report(killed.error());
  fmt::print("killed process {}\n", *killed);
  return kFine;
}

int start_component(const Options& options) {
  auto component = component_from(options.component);
  if (!component) return report(component.error());
  return report(Client(options.layout).start(*component, options.node));
}

int logs(const Options& options) {
  std::string file;
  if (options.layout.node_number(options.node) != 0) {
    auto component = component_from(options.component.empty() ? "agent" : options.component);
    if (!component) return report(component.error());
    file = options.layout.component_log(options.node, *component);
  } else {
    auto status = Client(options.layout).status();
    if (!status) return report(status.error());
    const PodStatus* pod = status->pod(options.node);
    if (pod == nullptr)
      return report(Error{Reason::not_found, ErrorSource::kConfig, false, 0, options.node});
    file = options.layout.pod_log(pod->node, pod->name);
  }
  if (options.follow) {
    ::execlp("tail", "tail", "-n", "+1", "-F", file.c_str(), nullptr);
    return 127;
  }
  return report(read_text(file));
}

int status(const Options& options) {
  auto now = Client(options.layout).status();
  if (!now) return report(now.error());
  fmt::print("{:<10} {:<16} {:<7} {:<6} {:<15} {:<20} {}\n", "POD", "NAMESPACE", "NODE", "READY",
             "IPV4", "IPV6", "NETNS");
  for (const PodStatus& pod : now->pods)
    fmt::print("{:<10} {:<16} {:<7} {:<6} {:<15} {:<20} {}\n", pod.name, pod.ns, pod.node,
               pod.ready ? "yes" : "no", pod.ip4, pod.ip6,
               options.layout.netns(pod.node, pod.name));
  fmt::print("\n{:<28} {:<8} {:<9} {}\n", "PROCESS", "PID", "RESTARTS", "LAST END");
  for (const ProcessStatus& process : now->processes)
    fmt::print("{:<28} {:<8} {:<9} {}\n", process.name,
               process.running ? std::to_string(process.pid) : "-", process.restarts,
               process.last_failure.empty() ? "-" : process.last_failure);
  return kFine;
}

void add_commands(CLI::App& app, Options& options, std::function<int()>& action) {
  auto command = [&](const char* name, const char* text, int (*body)(Options&)) {
    CLI::App* sub = app.add_subcommand(name, text);
    sub->callback(
        [&options, &action, body] { action = [&options, body] { return body(options); }; });
    return sub;
  };
  for (const char* name : {"up", "supervise"}) {
    bool is_up = std::string_view(name) == "up";
    CLI::App* sub =
        command(name, is_up ? "build the lab, wait until its agents are ready, keep it up" : "",
                is_up ? up : supervise);
    sub->add_option("--manifests", options.manifests, "folder of manifests")
        ->check(CLI::ExistingDirectory);
    sub->add_option("--nodes", options.layout.nodes, "names of one or two nodes")->delimiter(',');
    sub->add_option("--without", options.without, "do not start hold, agent or proxy");
    sub->add_option("--proxy-workers", options.layout.proxy_workers, "threads of keelson-l7");
    sub->add_option("--sysctl", options.sysctls,
                    "NAME=VALUE below net/, set in every namespace as it is made");
    if (is_up) {
      sub->add_flag("--foreground", options.foreground, "stay here; Ctrl-C ends the lab");
      sub->add_flag("--replace", options.replace, "take a lab that is up down first");
    } else {
      sub->group("");  // internal: not in the help
      sub->add_option("--report-fd", options.report_fd);
      sub->add_option("--lifeline-fd", options.lifeline_fd);
    }
  }
  command("down", "remove the lab, whatever is left of it",
          [](Options& o) { return report(Client(o.layout).down()); });
  CLI::App* exec = command("exec", "run a command in a pod (or node): lab exec POD -- CMD...",
                           [](Options& o) { return run_in_sandbox(o, o.pod, o.command); });
  exec->add_option("POD", options.pod)->required();
  exec->add_option("CMD", options.command)->required();
  exec->prefix_command();
  command("apply", "create or change the objects of a file or folder",
          [](Options& o) { return apply(o); })
      ->add_option("FILE", options.file)
      ->required()
      ->check(CLI::ExistingPath);
  command("delete", "delete an object: KIND/[NAMESPACE/]NAME", [](Options& o) { return remove(o); })
      ->add_option("OBJECT", options.object)
      ->required();
  CLI::App* killing = command("kill", "kill -9 a component of a node; it is restarted",
                              [](Options& o) { return kill(o); });
  killing->add_flag("--no-restart", options.no_restart, "leave it down until `lab start`");
  CLI::App* starting = command("start", "start a component that was left down",
                               [](Options& o) { return start_component(o); });
  for (CLI::App* sub : {killing, starting}) {
    sub->add_option("COMPONENT", options.component, "agent, proxy or hold")->required();
    sub->add_option("NODE", options.node)->required();
  }
  CLI::App* logging =
      command("logs", "log of a node's component, or of a pod", [](Options& o) { return logs(o); });
  logging->add_option("NODE", options.node, "node or pod")->required();
  logging->add_option("COMPONENT", options.component, "agent (default), proxy or hold");
  logging->add_flag("-f,--follow", options.follow);
  command("capture", "show the packets of a pod (or node) as text",
          [](Options& o) {
            return run_in_sandbox(o, o.pod, {"tcpdump", "-lnAi", "eth0", "tcp"});
          })
      ->add_option("POD", options.pod)
      ->required();
  command("status", "pods, processes, restarts", [](Options& o) { return status(o); });
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.layout.bin_dir = find_bin_dir();
  CLI::App app("Two Keelson nodes and their pods on this machine");
  app.add_option("--prefix", options.layout.prefix, "name of the lab")->capture_default_str();
  app.require_subcommand(1);
  std::function<int()> action;
  add_commands(app, options, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    int code = app.exit(error);
    return code == 0 ? kFine : kBadUsage;
  }
  if (::geteuid() != 0) {
    fmt::print(stderr, "lab: needs root, for network namespaces: sudo {}\n", argv[0]);
    return kBadUsage;
  }
  if (auto read = read_options(options); !read) return report(read.error());
  return action();
}
