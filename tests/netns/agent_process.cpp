#include "netns/agent_process.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cri.pb.h"

namespace keelson::netns_test {

namespace cri = runtime::v1;

std::string binary(const std::string& name) {
  const char* folder = std::getenv("KEELSON_BIN");
  return std::string(folder != nullptr ? folder : "bin") + "/" + name;
}

std::string sandbox_listing(bool has_sandbox) {
  cri::ListPodSandboxResponse response;
  if (has_sandbox) response.add_items()->set_id("sandbox-1");
  return response.SerializeAsString();
}

std::string sandbox_status(const std::string& pod_uid, const std::string& address,
                           const std::string& netns_path) {
  using nlohmann::json;
  cri::PodSandboxStatusResponse response;
  response.mutable_status()->set_id("sandbox-1");
  response.mutable_status()->mutable_metadata()->set_uid(pod_uid);
  response.mutable_status()->mutable_network()->set_ip(address);
  const json network{{"type", "network"}, {"path", netns_path}};
  const json info{{"runtimeSpec", {{"linux", {{"namespaces", json::array({network})}}}}}};
  (*response.mutable_info())["info"] = info.dump();
  return response.SerializeAsString();
}

AgentProcess::AgentProcess(const Namespace& node, std::string folder, std::string pin_dir)
    : node_(node), folder_(std::move(folder)), pin_dir_(std::move(pin_dir)) {}

void AgentProcess::start(const std::vector<std::string>& arguments) {
  std::vector<std::string> words{
      "keelson-agent", "--run-dir",        at("run"),         "--pin-dir",
      pin_dir_,        "--state-dir",      at("state"),       "--metrics-address",
      "off",           "--runtime-socket", at("runtime.sock")};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> texts;
  for (std::string& word : words) texts.push_back(word.data());
  texts.push_back(nullptr);
  const std::string program = binary("keelson-agent");
  const Fd node(::open(node_.path().c_str(), O_RDONLY | O_CLOEXEC));
  const Fd log_file(
      ::open(at("agent.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::dup2(log_file.get(), 2);
  if (::setns(node.get(), CLONE_NEWNET) != 0) ::_exit(126);
  ::execv(program.c_str(), texts.data());
  ::_exit(127);
}

void AgentProcess::stop(int signal) {
  if (pid_ <= 0) return;
  ::kill(pid_, signal);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

test::AdminAnswer AgentProcess::admin(const std::string& path) const {
  return test::admin_get(at("run") + "/agent.sock", path);
}

std::string AgentProcess::log() const {
  std::ostringstream text;
  text << std::ifstream(at("agent.log")).rdbuf();
  return text.str();
}

}  // namespace keelson::netns_test
