// keelson-load against servers on loopback: loops, protocols, TLS, and connections that break.
#include <gtest/gtest.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>

#include "h2_server.h"
#include "load_run.h"
#include "load_server.h"

namespace keelson::load::test {
namespace {

std::string url(const LoadServer& server, const std::string& scheme = "http") {
  return scheme + "://" + server.address() + "/";
}

TEST(LoadClient, ClosedLoopSendsWhatItIsTold) {
  LoadServer server(answer_all);
  const Outcome outcome =
      run_load({"--url", url(server), "--connections", "3", "--closed", "--requests", "100"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(outcome.report["requests"], 100);
  EXPECT_EQ(outcome.report["status"]["200"], 100);
  EXPECT_EQ(outcome.errors(), 0u);
  EXPECT_EQ(outcome.report["bytes_in"], 100 * kAnswer.size());
  EXPECT_EQ(outcome.report["connections_opened"], 3);
  EXPECT_TRUE(outcome.report["rate_offered"].is_null());
  EXPECT_EQ(outcome.above(0), 100u);
}

TEST(LoadClient, OpenLoopSendsTheScheduleAndLeavesTheWarmUpOut) {
  LoadServer server(answer_all);
  const Outcome outcome = run_load({"--url", url(server), "--connections", "3", "--rate", "500",
                                    "--seconds", "0.4", "--warmup", "0.2"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(outcome.report["ok"], 200);
  EXPECT_EQ(outcome.report["rate_offered"], 500.0);
  EXPECT_DOUBLE_EQ(outcome.report["seconds"], 0.4);
}

TEST(LoadClient, CountsStatusesApart) {
  LoadServer server([](Channel& channel) {
    for (int i = 0; channel.read_request(); i++)
      channel.write(i % 2 == 0 ? kAnswer : "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
  });
  const Outcome outcome =
      run_load({"--url", url(server), "--connections", "1", "--closed", "--requests", "10"});
  EXPECT_EQ(outcome.report["requests"], 10);
  EXPECT_EQ(outcome.report["ok"], 5);
  EXPECT_EQ(outcome.report["status"]["503"], 5);
}

// Two answers, then a reset instead of the third.
TEST(LoadClient, CountsCutConnectionsAsResetAndOpensThemAgain) {
  LoadServer server([](Channel& channel) {
    for (int i = 0; i < 2 && channel.read_request(); i++) channel.write(kAnswer);
    channel.read_request();
    channel.cut();
  });
  const Outcome outcome =
      run_load({"--url", url(server), "--connections", "1", "--closed", "--requests", "60"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(outcome.report["requests"], 60);
  EXPECT_EQ(outcome.report["errors"]["reset"], 20);
  EXPECT_EQ(outcome.report["first_errors"][0]["text"], "Connection reset by peer");
  EXPECT_EQ(outcome.errors(), 20u);
  EXPECT_EQ(outcome.report["ok"], 40);
  EXPECT_GE(outcome.report["connections_opened"], 20);
}

// As an idle connection is ended that the client is just about to use again (RFC 9112
// section 9.3.1).
TEST(LoadClient, WhatAnOrderlyEndOvertookIsSentAgainOnce) {
  LoadServer server([](Channel& channel) {
    for (int i = 0; i < 2 && channel.read_request(); i++) channel.write(kAnswer);
    channel.read_request();
  });
  const Outcome outcome =
      run_load({"--url", url(server), "--connections", "1", "--closed", "--requests", "60"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(outcome.report["ok"], 60);
  EXPECT_EQ(outcome.errors(), 0u);
  EXPECT_EQ(outcome.report["retried"], 29);
  EXPECT_EQ(outcome.report["connections_opened"], 30);
}

TEST(LoadClient, AnOrderlyEndBeforeAnyAnswerIsAReset) {
  LoadServer server([](Channel& channel) { channel.read_request(); });
  const Outcome outcome =
      run_load({"--url", url(server), "--connections", "1", "--closed", "--requests", "3"});
  EXPECT_EQ(outcome.report["errors"]["reset"], 3);
  EXPECT_EQ(outcome.report["retried"], 0);
}

TEST(LoadClient, AnAnnouncedCloseIsNoError) {
  LoadServer server([](Channel& channel) {
    if (channel.read_request())
      channel.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  const Outcome outcome =
      run_load({"--url", url(server), "--connections", "2", "--closed", "--requests", "20"});
  EXPECT_EQ(outcome.report["ok"], 20);
  EXPECT_EQ(outcome.errors(), 0u);
}

TEST(LoadClient, AnAnswerThatIsNotHttpIsAProtocolError) {
  LoadServer server([](Channel& channel) {
    if (channel.read_request()) channel.write("220 mail.example ESMTP\r\n\r\n");
  });
  const Outcome outcome =
      run_load({"--url", url(server), "--connections", "1", "--closed", "--requests", "1"});
  EXPECT_EQ(outcome.report["errors"]["protocol"], 1);
  EXPECT_EQ(outcome.report["ok"], 0);
}

TEST(LoadClient, OpensAConnectionForEachRequest) {
  LoadServer server([](Channel& channel) {
    if (channel.read_request())
      channel.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  for (const std::vector<std::string>& loop :
       {std::vector<std::string>{"--closed"}, {"--rate", "1000"}}) {
    std::vector<std::string> arguments{"--url",      url(server), "--connections",        "2",
                                       "--requests", "30",        "--new-connection-each"};
    arguments.insert(arguments.end(), loop.begin(), loop.end());
    const size_t before = server.accepted();
    const Outcome outcome = run_load(arguments);
    EXPECT_EQ(outcome.report["ok"], 30);
    EXPECT_EQ(outcome.errors(), 0u);
    EXPECT_EQ(outcome.report["connections_opened"], 30);
    EXPECT_EQ(server.accepted() - before, 30u);
  }
}

TEST(LoadClient, ARefusedConnectionIsAnErrorOfItsRequestOrTheEndOfTheRun) {
  std::string nobody;
  { nobody = "http://" + LoadServer(answer_all).address() + "/"; }
  const Outcome each = run_load({"--url", nobody, "--connections", "2", "--closed", "--requests",
                                 "10", "--new-connection-each"});
  EXPECT_EQ(each.code, 0);
  EXPECT_EQ(each.report["errors"]["connect"], 10);
  EXPECT_EQ(each.report["first_errors"][0]["text"], "Connection refused");
  EXPECT_TRUE(each.report["connect_us"].is_null());
  const Outcome kept =
      run_load({"--url", nobody, "--connections", "2", "--closed", "--seconds", "1"});
  EXPECT_EQ(kept.code, 1);
  EXPECT_NE(kept.error.find("refused"), std::string::npos) << kept.error;
}

TEST(LoadClient, HoldsConnectionsIdleAfterOneRequestEach) {
  LoadServer server(answer_all);
  const Outcome outcome =
      run_load({"--url", url(server), "--connections", "20", "--closed", "--idle-hold", "0.01"});
  EXPECT_EQ(outcome.report["ok"], 20);
  EXPECT_EQ(outcome.report["connections_opened"], 20);
  EXPECT_EQ(outcome.error, "holding\n");
}

TEST(LoadClient, ASignalEndsTheRunWithItsReport) {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  const Fd stop(::signalfd(-1, &ending, SFD_NONBLOCK | SFD_CLOEXEC));
  std::atomic<int> requests{0};
  LoadServer server([&](Channel& channel) {
    while (channel.read_request()) {
      if (++requests == 50) ::kill(::getpid(), SIGUSR1);
      channel.write(kAnswer);
    }
  });
  const Outcome outcome = run_load(
      {"--url", url(server), "--connections", "2", "--closed", "--seconds", "3600"}, stop.get());
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_GE(outcome.report["ok"], 50);
  EXPECT_EQ(outcome.errors(), 0u);
}

TEST(LoadClient, SpeaksHttp2InTheClear) {
  LoadServer server(serve_http2);
  const Outcome closed = run_load({"--url", url(server), "--connections", "2", "--closed",
                                   "--http2", "--streams", "8", "--requests", "200"});
  ASSERT_EQ(closed.code, 0) << closed.error;
  EXPECT_EQ(closed.report["status"]["200"], 200);
  EXPECT_EQ(closed.errors(), 0u);
  EXPECT_EQ(closed.report["connections_opened"], 2);
  const Outcome open = run_load({"--url", url(server), "--connections", "2", "--rate", "1000",
                                 "--http2", "--streams", "8", "--seconds", "0.2"});
  EXPECT_EQ(open.report["ok"], 200);
  EXPECT_EQ(open.errors(), 0u);
}

TEST(LoadClient, AGoawayEndsAConnectionInGoodOrder) {
  LoadServer server([](Channel& channel) { serve_http2_until_goaway(channel, 5, 0); });
  const Outcome outcome = run_load(
      {"--url", url(server), "--connections", "1", "--closed", "--http2", "--requests", "20"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(outcome.report["ok"], 20);
  EXPECT_EQ(outcome.errors(), 0u);
  EXPECT_GE(outcome.report["connections_opened"], 4);
}

TEST(LoadClient, AGoawayThatNamesAnErrorIsAProtocolError) {
  constexpr uint32_t kEnhanceYourCalm = 11;
  LoadServer server(
      [](Channel& channel) { serve_http2_until_goaway(channel, 5, kEnhanceYourCalm); });
  const Outcome outcome = run_load(
      {"--url", url(server), "--connections", "1", "--closed", "--http2", "--requests", "20"});
  EXPECT_EQ(outcome.report["requests"], 20);
  EXPECT_EQ(outcome.report["ok"], 16);
  EXPECT_EQ(outcome.report["errors"]["protocol"], 4);
}

// The kernel refuses a broadcast address before connect() returns, as a hook of the mesh may too.
TEST(LoadClient, ARefusalByTheKernelAtOnceIsCountedOnceForEachRequest) {
  for (const std::vector<std::string>& loop :
       {std::vector<std::string>{"--closed"}, {"--rate", "10000"}}) {
    std::vector<std::string> arguments{
        "--url", "http://255.255.255.255:80/", "--requests", "100", "--connections",
        "2",     "--new-connection-each"};
    arguments.insert(arguments.end(), loop.begin(), loop.end());
    const Outcome outcome = run_load(arguments);
    ASSERT_EQ(outcome.code, 0) << outcome.error;
    EXPECT_EQ(outcome.report["requests"], 100);
    EXPECT_EQ(outcome.report["errors"]["connect"], 100);
    EXPECT_EQ(outcome.errors(), 100u);
  }
}

// A mesh's root, a server's and a client's certificate as files.
class LoadTls : public testing::Test {
 protected:
  LoadTls() {
    keelson::test::CertSpec named;
    named.dns_names = {"cart.test"};
    server_identity_ = keelson::test::make_signed(named, root_);
    const auto client = keelson::test::make_signed(keelson::test::CertSpec(), root_);
    char pattern[] = "/tmp/keelson-load-test-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    write("ca", root_.cert_pem());
    write("cert", client.cert_pem());
    write("key", client.key_pem());
  }
  ~LoadTls() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name) << text;
  }
  std::vector<std::string> arguments(const LoadServer& server,
                                     const std::vector<std::string>& more) const {
    std::vector<std::string> all{"--url", url(server, "https"), "--connections", "2", "--requests",
                                 "40",    "--closed",           "--patience",    "5"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  std::vector<std::string> certificate() const {
    return {"--ca",  folder_ + "/ca",  "--cert",        folder_ + "/cert",
            "--key", folder_ + "/key", "--server-name", "cart.test"};
  }

  const keelson::test::TestIdentity root_ =
      keelson::test::make_self_signed(keelson::test::CertSpec::ca("load root"));
  keelson::test::TestIdentity server_identity_;
  std::string folder_;
};

TEST_F(LoadTls, ShowsItsCertificateAndVerifiesTheServers) {
  LoadServer server(answer_all, &server_identity_, &root_);
  const Outcome outcome = run_load(arguments(server, certificate()));
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(outcome.report["ok"], 40);
  EXPECT_EQ(outcome.errors(), 0u);
  EXPECT_EQ(outcome.report["connections_opened"], 2);
}

TEST_F(LoadTls, SpeaksHttp2AsAgreedByAlpn) {
  LoadServer server(serve_http2, &server_identity_, &root_);
  auto more = certificate();
  more.insert(more.end(), {"--http2", "--streams", "4"});
  const Outcome outcome = run_load(arguments(server, more));
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(outcome.report["ok"], 40);
  EXPECT_EQ(outcome.errors(), 0u);
}

TEST_F(LoadTls, ReadsABodyOfManyRecords) {
  const std::string body(300'000, 'b');
  LoadServer server(
      [&](Channel& channel) {
        while (channel.read_request())
          channel.write("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + body);
      },
      &server_identity_, &root_);
  const Outcome outcome = run_load(arguments(server, certificate()));
  EXPECT_EQ(outcome.report["ok"], 40);
  EXPECT_GT(outcome.report["bytes_in"], 40 * 300'000);
}

TEST_F(LoadTls, RefusesAServerOfAnotherName) {
  LoadServer server(answer_all, &server_identity_, &root_);
  auto more = certificate();
  more.back() = "pay.test";
  const Outcome outcome = run_load(arguments(server, more));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.error.find("ertificate"), std::string::npos) << outcome.error;
}

TEST_F(LoadTls, WithoutItsCertificateEveryRequestIsATlsError) {
  LoadServer server(answer_all, &server_identity_, &root_);
  const Outcome outcome = run_load(arguments(
      server, {"--ca", folder_ + "/ca", "--server-name", "cart.test", "--new-connection-each"}));
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(outcome.report["ok"], 0);
  EXPECT_EQ(outcome.errors(), 40u);
  EXPECT_GT(outcome.report["errors"]["tls"], 0);
}

}  // namespace
}  // namespace keelson::load::test
