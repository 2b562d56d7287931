#include "kube/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "kube/token_file.h"
#include "support/fake_clock.h"

namespace keelson::kube {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class AccessTest : public testing::Test {
 protected:
  AccessTest() {
    std::string name = (fs::temp_directory_path() / "kube-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~AccessTest() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
  }
  Result<rest::Server> kubeconfig(const std::string& cluster, const std::string& user) {
    write("config",
          "apiVersion: v1\nkind: Config\ncurrent-context: here\ncontexts:\n"
          "- {name: there, context: {cluster: no, user: no}}\n"
          "- {name: here, context: {cluster: c, user: u}}\n"
          "clusters: [{name: c, cluster: {" +
              cluster +
              "}}]\n"
              "users: [{name: u, user: {" +
              user + "}}]\n");
    return kubeconfig_server(folder_ + "/config", clock_);
  }

  std::string folder_;
  test::FakeClock clock_;
};

constexpr const char* kCluster = "server: 'https://10.0.0.1:6443/'";

TEST_F(AccessTest, InClusterReadsTheServiceAccountsFiles) {
  write("ca.crt", "CA");
  write("token", "first\n");
  auto server = in_cluster_server(folder_, "10.0.0.1", "443", clock_);
  ASSERT_TRUE(server) << server.error().message();
  EXPECT_EQ(server->url, "https://10.0.0.1:443");
  EXPECT_EQ(server->ca_pem, "CA");
  EXPECT_EQ(*server->token(), "first");
  EXPECT_EQ(in_cluster_server(folder_, "fd00::1", "443", clock_)->url, "https://[fd00::1]:443");
  EXPECT_EQ(in_cluster_server(folder_, "", "", clock_).error().reason,
            Reason::credentials_unusable);
  fs::remove(folder_ + "/token");
  EXPECT_EQ(in_cluster_server(folder_, "10.0.0.1", "443", clock_).error().reason,
            Reason::credentials_unusable);
}

TEST_F(AccessTest, ATokenIsReadAgainWhenItsFileChangesAndEveryMinute) {
  write("token", "first");
  TokenFile file(folder_ + "/token", clock_);
  EXPECT_EQ(*file.token(), "first");
  write("next", "second");
  fs::rename(folder_ + "/next", folder_ + "/token");
  EXPECT_EQ(*file.token(), "second");
  const auto stamp = fs::last_write_time(folder_ + "/token");
  write("token", "secoNd");  // in place, and its time put back
  fs::last_write_time(folder_ + "/token", stamp);
  EXPECT_EQ(*file.token(), "second");
  clock_.advance(std::chrono::seconds(60));
  EXPECT_EQ(*file.token(), "secoNd");
  fs::remove(folder_ + "/token");
  EXPECT_EQ(*file.token(), "secoNd");
}

TEST_F(AccessTest, AKubeconfigWithFilesBesideIt) {
  write("ca.pem", "CA");
  write("me.pem", "CERT");
  write("me.key", "KEY");
  const auto server =
      kubeconfig(std::string(kCluster) + ", certificate-authority: ca.pem, tls-server-name: kube",
                 "client-certificate: me.pem, client-key: " + folder_ + "/me.key");
  ASSERT_TRUE(server) << server.error().message();
  EXPECT_EQ(server->url, "https://10.0.0.1:6443");
  EXPECT_EQ(server->server_name, "kube");
  EXPECT_EQ(server->ca_pem, "CA");
  EXPECT_EQ(server->client_certificate_pem, "CERT");
  EXPECT_EQ(server->client_key_pem, "KEY");
  EXPECT_FALSE(server->token);
}

TEST_F(AccessTest, AKubeconfigWithDataAndTokens) {
  write("t", "from-file");
  auto server = kubeconfig(std::string(kCluster) + ", certificate-authority-data: Q0E=",
                           "client-certificate-data: Q0VSVA==, client-key-data: S0VZ, token: abc");
  ASSERT_TRUE(server) << server.error().message();
  EXPECT_EQ(server->ca_pem, "CA");
  EXPECT_EQ(server->client_certificate_pem, "CERT");
  EXPECT_EQ(server->client_key_pem, "KEY");
  EXPECT_EQ(*server->token(), "abc");
  server = kubeconfig(kCluster, "token: abc, tokenFile: t");
  ASSERT_TRUE(server);
  EXPECT_EQ(*server->token(), "from-file");
}

TEST_F(AccessTest, WhatCannotBeUsedIsRefusedByName) {
  const std::string cluster = kCluster;
  const struct {
    std::string cluster, user, says;
  } cases[] = {
      {cluster + ", insecure-skip-tls-verify: true", "", "insecure-skip-tls-verify is refused"},
      {cluster + ", proxy-url: 'http://p'", "", "proxy-url is not supported"},
      {"server: 'http://10.0.0.1'", "", "not an https:// URL"},
      {"server: ''", "", "not an https:// URL"},
      {cluster + ", certificate-authority-data: '?'", "", "certificate-authority-data is not"},
      {cluster + ", certificate-authority: none", "", folder_ + "/none"},
      {cluster, "exec: {command: aws}", "exec is not supported"},
      {cluster, "auth-provider: {name: oidc}", "auth-provider is not supported"},
      {cluster, "username: me, password: x", "username is not supported"},
      {cluster, "client-certificate-data: Q0E=", "go together"},
      {cluster, "tokenFile: none", folder_ + "/none"},
  };
  for (const auto& each : cases) {
    const auto server = kubeconfig(each.cluster, each.user);
    ASSERT_FALSE(server) << each.says;
    EXPECT_EQ(server.error().reason, Reason::credentials_unusable);
    EXPECT_THAT(server.error().message(), HasSubstr(each.says));
  }
}

TEST_F(AccessTest, AKubeconfigThatIsNoneSaysWhatIsMissing) {
  const struct {
    const char *text, *says;
  } cases[] = {
      {"", "one mapping is expected"},
      {"a: [", "config:"},
      {"kind: Config", "current-context is not set"},
      {"current-context: x", "no context named 'x' in contexts"},
      {"current-context: x\ncontexts: [{name: x, context: {cluster: c}}]",
       "no cluster named 'c' in clusters"},
  };
  for (const auto& each : cases) {
    write("config", each.text);
    const auto server = kubeconfig_server(folder_ + "/config", clock_);
    ASSERT_FALSE(server) << each.text;
    EXPECT_THAT(server.error().message(), HasSubstr(each.says));
  }
}

}  // namespace
}  // namespace keelson::kube
