// The binary as a container runtime runs it, against an agent's socket that a thread serves.
#include <elf.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/fd.h"
#include "cni_call.h"

namespace keelson::cni {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;

Fd listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket.get(), 8) != 0)
    abort();
  return socket;
}

// Answers each connection of `answers` in turn; an empty one is closed without a word.
class FakeAgentSocket {
 public:
  FakeAgentSocket(const std::string& path, std::vector<std::string> answers)
      : listener_(listen_at(path)), thread_([this, all = std::move(answers)] {
          for (const std::string& answer : all) serve(answer);
        }) {}
  ~FakeAgentSocket() { thread_.join(); }
  std::vector<std::string> requests;  // read it after the process has ended

 private:
  void serve(const std::string& answer) {
    Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::string request;
    std::array<char, 4096> buffer;
    while (request.find("}") == std::string::npos) {
      const ssize_t got = ::recv(client.get(), buffer.data(), buffer.size(), 0);
      if (got <= 0) break;
      request.append(buffer.data(), static_cast<size_t>(got));
    }
    requests.push_back(request);
    if (answer.empty()) return;
    const std::string text =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n" + answer;
    (void)!::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }
  Fd listener_;
  std::thread thread_;
};

struct Ended {
  int status = -1;
  std::string out, err;
};

struct Pipe {
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) abort();
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
  Fd read, write;
};

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> buffer;
  for (ssize_t got; (got = ::read(fd, buffer.data(), buffer.size())) > 0;)
    text.append(buffer.data(), static_cast<size_t>(got));
  return text;
}

class PluginProcessTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = "/tmp/keelson-cni-XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    folder = path;
    netconf["agentSocket"] = socket_path();
    netconf["timeoutSeconds"] = 1;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  std::string socket_path() const { return folder + "/cni.sock"; }

  static std::string program() {
    const char* bin = getenv("KEELSON_BIN");
    return std::string(bin == nullptr ? "build/release/bin" : bin) + "/keelson-cni";
  }
  Ended run(const Environment& environment) { return run(environment, netconf.dump()); }
  Ended run(const Environment& environment, const std::string& input) {
    std::vector<std::string> texts;
    for (const auto& [name, value] : environment) texts.push_back(name + "=" + value);
    std::vector<char*> variables;
    for (std::string& text : texts) variables.push_back(text.data());
    variables.push_back(nullptr);
    Pipe in, out, err;
    const std::string executable = program();
    const pid_t child = ::fork();
    if (child == 0) {
      ::dup2(in.read.get(), 0);
      ::dup2(out.write.get(), 1);
      ::dup2(err.write.get(), 2);
      char* arguments[] = {const_cast<char*>("keelson-cni"), nullptr};
      ::execve(executable.c_str(), arguments, variables.data());
      ::_exit(127);
    }
    in.read.reset();
    out.write.reset();
    err.write.reset();
    // One that ends without reading is no error of ours (and was once the end of this process).
    ::signal(SIGPIPE, SIG_IGN);
    (void)!::write(in.write.get(), input.data(), input.size());
    in.write.reset();
    Ended ended;
    ended.out = read_all(out.read.get());
    ended.err = read_all(err.read.get());
    int status = 0;
    ::waitpid(child, &status, 0);
    ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return ended;
  }

  std::string folder;
  ordered_json netconf = call_netconf();
};

TEST_F(PluginProcessTest, AddPassesWhenTheAgentSaysSo) {
  FakeAgentSocket agent(socket_path(), {R"({"code":0,"msg":"","details":""})"});
  const Ended ended = run(call_environment("ADD"));
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out, netconf["prevResult"].dump() + "\n");
  ASSERT_EQ(agent.requests.size(), 1u);
  EXPECT_THAT(agent.requests[0], HasSubstr("POST /add HTTP/1.0\r\n"));
  EXPECT_THAT(agent.requests[0], HasSubstr(R"("uid":"0f1e-22")"));
}

TEST_F(PluginProcessTest, AddAsksAgainWhenTheAgentGoesAwayInTheMiddle) {
  FakeAgentSocket agent(socket_path(), {"", R"({"code":0,"msg":"","details":""})"});
  EXPECT_EQ(run(call_environment("ADD")).status, 0);
  EXPECT_EQ(agent.requests.size(), 2u);
}

TEST_F(PluginProcessTest, AddFailsWithTheStepThatTheAgentNames) {
  FakeAgentSocket agent(socket_path(), {R"({"code":11,"msg":"waits for hold","details":"fix"})"});
  const Ended ended = run(call_environment("ADD"));
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(ordered_json::parse(ended.out)["msg"], "keelson-cni: pod shop/web-1: waits for hold");
}

TEST_F(PluginProcessTest, AddFailsWhenTheAgentSaysNothingInTime) {
  const Fd silent = listen_at(socket_path());
  const Ended ended = run(call_environment("ADD"));
  EXPECT_EQ(ended.status, 1);
  const auto error = ordered_json::parse(ended.out);
  EXPECT_EQ(error["code"], 11);
  EXPECT_THAT(error["msg"].get<std::string>(), HasSubstr("does not answer in time"));
}

TEST_F(PluginProcessTest, AddFailsWithoutAnAgentButNotForAnExemptPod) {
  Environment environment = call_environment("ADD");
  const Ended refused = run(environment);
  EXPECT_EQ(refused.status, 1);
  const auto error = ordered_json::parse(refused.out);
  EXPECT_EQ(error["code"], 11);
  EXPECT_THAT(error["msg"].get<std::string>(), HasSubstr("keelson-agent is not there: connect "));
  environment["CNI_ARGS"] = "K8S_POD_NAMESPACE=kube-system;K8S_POD_NAME=dns;K8S_POD_UID=u";
  const Ended passed = run(environment);
  EXPECT_EQ(passed.status, 0);
  EXPECT_EQ(passed.out, netconf["prevResult"].dump() + "\n");
  EXPECT_THAT(passed.err, HasSubstr("exempt"));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which are linked dynamically
// The node may have another C library than the one it was built with, or none.
TEST_F(PluginProcessTest, NeedsNoLoaderOfTheNode) {
  std::ifstream file(program(), std::ios::binary);
  Elf64_Ehdr head{};
  file.read(reinterpret_cast<char*>(&head), sizeof head);
  for (int i = 0; i < head.e_phnum; ++i) {
    Elf64_Phdr part{};
    file.seekg(static_cast<std::streamoff>(head.e_phoff + sizeof part * static_cast<size_t>(i)));
    file.read(reinterpret_cast<char*>(&part), sizeof part);
    EXPECT_NE(part.p_type, static_cast<Elf64_Word>(PT_INTERP));
  }
  EXPECT_GT(head.e_phnum, 0);
}
#endif

TEST_F(PluginProcessTest, VersionWorksWithoutAnything) {
  const Ended ended = run({{"CNI_COMMAND", "VERSION"}}, R"({"cniVersion":"1.1.0"})");
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ordered_json::parse(ended.out)["supportedVersions"].size(), 5u);
}

TEST_F(PluginProcessTest, WithoutACommandItSaysWhatItIs) {
  const Ended ended = run({});
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.err, HasSubstr("is a CNI plugin"));
}

}  // namespace
}  // namespace keelson::cni
