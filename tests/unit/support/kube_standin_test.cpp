#include "support/kube_standin.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/wait_until.h"

namespace keelson::test {
namespace {

using nlohmann::json;

TEST(KubeStandin, ServesOverTlsAndIsSteered) {
  const KubeStandin standin;
  standin.generate(3, 2, 4, 12);
  const auto pods = standin.request("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-1");
  ASSERT_EQ(pods.status, 200) << pods.body;
  EXPECT_EQ(json::parse(pods.body).at("items").size(), 4u);
  standin.add_fault(R"({"kind":"pods","verb":"list","action":"status","status":429,"times":1})");
  EXPECT_EQ(standin.request("GET", "/api/v1/pods").status, 429);
  EXPECT_EQ(standin.request("GET", "/api/v1/pods").status, 200);
  for (const std::string& file :
       {standin.kubeconfig(), standin.ca_file(), standin.account_folder() + "/token"})
    EXPECT_TRUE(std::filesystem::exists(file)) << file;
}

TEST(KubeStandin, RefusesConnectionsAndComesBackOnItsPort) {
  const KubeStandin standin;
  standin.refuse_for(std::chrono::hours(1));
  EXPECT_THROW(standin.request("GET", "/version"), std::runtime_error);
  standin.refuse_for(std::chrono::milliseconds(0));
  EXPECT_EQ(standin.request("GET", "/version").status, 200);
}

TEST(KubeStandin, SaysWhatItsProcessSaidWhenItDoesNotStart) {
  try {
    const KubeStandin standin({"--control", "0.0.0.0:0"});
    FAIL() << "it serves a control API that anybody may reach";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("not a loopback address"));
  }
}

TEST(KubeStandin, RefusalsOfTheControlApiNameTheMistake) {
  const KubeStandin standin;
  try {
    standin.add_fault(R"({"kind":"prods","action":"close"})");
    FAIL() << "a fault for a kind that does not exist was taken";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("no kind \\\"prods\\\""));
  }
}

TEST(KubeStandin, EndsWithItsMakerEvenByACrash) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);  // the orphan becomes ours to wait for
  const pid_t maker = ::fork();
  if (maker == 0) {
    const KubeStandin standin;
    const pid_t pid = standin.pid();
    const std::string& folder = standin.folder();
    if (::write(ends[1], &pid, sizeof pid) != ssize_t(sizeof pid) ||
        ::write(ends[1], folder.data(), folder.size()) != ssize_t(folder.size()))
      ::_exit(1);
    ::kill(::getpid(), SIGKILL);
  }
  ::close(ends[1]);
  pid_t pid = 0;
  ASSERT_EQ(::read(ends[0], &pid, sizeof pid), ssize_t(sizeof pid));
  char folder[4096] = {};
  ASSERT_GT(::read(ends[0], folder, sizeof folder - 1), 0);
  ::close(ends[0]);
  ::waitpid(maker, nullptr, 0);
  EXPECT_TRUE(wait_until([pid] { return ::waitpid(pid, nullptr, WNOHANG) == pid; }));
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace keelson::test
