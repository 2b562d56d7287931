// The supervisor's side of the control socket: what each request does.
#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>

#include "lab_command.h"
#include "lab_control.h"
#include "lab_supervisor.h"

namespace keelson::lab {

using nlohmann::json;

namespace {

json refusal(const std::string& text) {
  return {{"ok", false}, {"error", text}};
}

json answer(Result<std::string> done) {
  if (!done) return refusal(describe(done.error()));
  return {{"ok", true}, {"text", *done}};
}

}  // namespace

void Supervisor::answer_request() {
  Fd connection(::accept4(control_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!connection) return;
  auto request = receive_request(connection.get());
  if (!request) return;
  json reply;
  try {
    reply = handle(*request);
  } catch (const json::exception& error) {
    reply = refusal(error.what());
  }
  send_reply(connection.get(), reply);
}

json Supervisor::handle(const json& request) {
  std::string what = request.at("do");
  if (what == "status") return status();
  if (what == "kill" || what == "start") return handle_kill(request);
  if (what == "stop") {
    is_ending_ = true;
    return {{"ok", true}};
  }
  Result<std::string> done = fail(Reason::bad_usage, ErrorSource::kConfig, "request " + what);
  if (what == "apply") {
    std::vector<SourceFile> files;
    for (const json& file : request.at("files"))
      files.push_back({file.at("name"), file.at("text")});
    done = book_.apply(files);
  } else if (what == "delete") {
    done =
        book_.remove(request.at("kind").get<std::string>(), request.at("name").get<std::string>());
  } else if (what == "put_raw") {
    book_.put_raw({request.at("name"), request.at("text")});
    done = std::string();
  } else if (what == "drop_raw") {
    book_.drop_raw(request.at("name"));
    done = std::string();
  } else if (what == "set_ready") {
    book_.set_ready(request.at("pod").get<std::string>(), request.at("ready"));
    done = std::string();
  }
  if (!done) return answer(std::move(done));
  if (auto reconciled = reconcile(); !reconciled) return refusal(describe(reconciled.error()));
  return answer(std::move(done));
}

Supervisor::Child* Supervisor::component(const json& request) {
  auto found = children_.find(fmt::format("{}@{}", request.at("component").get<std::string>(),
                                          request.at("node").get<std::string>()));
  return found == children_.end() ? nullptr : &found->second;
}

json Supervisor::handle_kill(const json& request) {
  Child* child = component(request);
  if (child == nullptr)
    return refusal(fmt::format("there is no {} on {}", request["component"].get<std::string>(),
                               request["node"].get<std::string>()));
  if (request["do"] == "start") {
    child->is_wanted = true;
    child->next_start = clock_.now();
    return {{"ok", true}};
  }
  child->is_wanted = request.value("restart", true);
  if (!child->is_running) return refusal("it is not running: " + child->last_failure);
  int old_pid = child->process.id.pid;
  if (auto told = signal_process(child->process.id, request.value("signal", SIGKILL)); !told)
    return refusal(describe(told.error()));
  child->was_killed = true;
  return {{"ok", true}, {"pid", old_pid}, {"text", fmt::format("killed process {}\n", old_pid)}};
}

json Supervisor::status() const {
  json processes = json::array();
  for (const auto& [name, child] : children_)
    processes.push_back({{"name", name},
                         {"pod", child.pod},
                         {"running", child.is_running},
                         {"pid", child.is_running ? child.process.id.pid : 0},
                         {"restarts", child.restarts},
                         {"last_failure", child.last_failure}});
  json pods = json::array();
  for (const auto& [name, pod] : book_.pods()) {
    int number = layout_.node_number(pod.node);
    pods.push_back({{"name", name},
                    {"namespace", pod.ns},
                    {"node", pod.node},
                    {"uid", pod.uid},
                    {"ready", pod.ready},
                    {"ip4", pod_address4(number, pod.slot)},
                    {"ip6", pod_address6(number, pod.slot)},
                    {"interface", fmt::format("p{}", pod.slot)}});
  }
  json services = json::object();
  for (const auto& [ns, text] : book_.hosts()) services[ns] = text;
  return {{"ok", true},
          {"nodes", layout_.nodes},
          {"processes", processes},
          {"pods", pods},
          {"hosts", services}};
}

}  // namespace keelson::lab
