// Against a foreign peer: the `openssl` command over loopback, in both roles.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include "base/fd.h"
#include "tls_peers.h"

extern char** environ;

namespace keelson::tls {
namespace {

using test::CertSpec;
using test::make_self_signed;
using test::make_signed;
using test::spiffe_id;
using test::TestIdentity;
using test::to_material;

// A blocking socket as a ByteStream: read() waits, so no loop is needed.
class SocketStream final : public io::ByteStream {
 public:
  explicit SocketStream(Fd fd) : fd_(std::move(fd)) {}
  Result<io::ReadResult> read(std::span<std::byte> into) override {
    const ssize_t got = recv(fd_.get(), into.data(), into.size(), 0);
    if (got < 0) return fail_errno(Reason::io_error, errno, "recv");
    return got == 0 ? io::ReadResult::eof() : io::ReadResult::data(static_cast<size_t>(got));
  }
  Result<size_t> write(BufferChain& from) override {
    size_t taken = 0;
    while (!from.empty()) {
      const auto part = from.front();
      const ssize_t sent = send(fd_.get(), part.data(), part.size(), MSG_NOSIGNAL);
      if (sent < 0) return fail_errno(Reason::io_error, errno, "send");
      from.consume(static_cast<size_t>(sent));
      taken += static_cast<size_t>(sent);
    }
    return taken;
  }
  Result<void> shutdown_write() override {
    ::shutdown(fd_.get(), SHUT_WR);
    return {};
  }
  void reset(Reason) noexcept override { fd_.reset(); }

 private:
  Fd fd_;
};

class Process {
 public:
  explicit Process(std::vector<std::string> arguments) {
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int in[2];
    int out[2];
    EXPECT_EQ(pipe2(in, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_adddup2(&actions, out[1], 2);
    EXPECT_EQ(posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    Fd(in[0]).reset();
    Fd(out[1]).reset();
    to_.reset(in[1]);
    from_.reset(out[0]);
  }
  ~Process() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  void say(std::string_view text) {
    EXPECT_EQ(::write(to_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void end_input() { to_.reset(); }
  // Everything it printed until `word` came, or it ended.
  const std::string& read_until(const std::string& word) {
    char buffer[4096];
    while (output_.find(word) == std::string::npos) {
      const ssize_t got = ::read(from_.get(), buffer, sizeof buffer);
      if (got <= 0) break;
      output_.append(buffer, static_cast<size_t>(got));
    }
    return output_;
  }

 private:
  pid_t pid_ = -1;
  Fd to_;
  Fd from_;
  std::string output_;
};

class OpensslInterop : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "keelson-openssl-XXXXXX";
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
    put("root.pem", mesh_.root.cert_pem());
    use_foreign(make_signed(CertSpec::of("spiffe://cluster.local/ns/pay/sa/till"), mesh_.root));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void put(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
  }
  void use_foreign(const TestIdentity& identity) {
    put("cert.pem", identity.cert_pem());
    put("key.pem", identity.key_pem());
  }
  // A loopback socket with a port of the kernel's choice, listening.
  Fd listen_on_loopback() {
    Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(fd.get(), 1), 0);
    socklen_t size = sizeof address;
    getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    return fd;
  }
  std::vector<std::string> s_client(std::vector<std::string> more) {
    std::vector<std::string> all{"openssl",       "s_client",
                                 "-connect",      "127.0.0.1:" + std::to_string(port_),
                                 "-CAfile",       folder_ + "/root.pem",
                                 "-noservername", "-verify_return_error"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  std::vector<std::string> with_cert() {
    return {"-cert", folder_ + "/cert.pem", "-key", folder_ + "/key.pem", "-alpn", "h2"};
  }
  // Our server for one connection of `client`.
  std::unique_ptr<TlsStream> accept_one(const Fd& listener) {
    Fd fd(::accept(listener.get(), nullptr, nullptr));
    const timeval patience{20, 0};  // a bug becomes a failure, not a hanging test
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    auto context = TlsContext::make(mesh_.material("shop", "cart"));
    auto stream = TlsStream::accept(
        {*context, std::make_unique<SocketStream>(std::move(fd)), pool_, signer_});
    return std::move(*stream);
  }
  Reason server_refusal(std::vector<std::string> client_options) {
    const Fd listener = listen_on_loopback();
    Process client(s_client(std::move(client_options)));
    const auto stream = accept_one(listener);
    const auto progress = stream->handshake();
    return progress ? Reason::none : progress.error().reason;
  }
  // Our client against s_server, which listens on a port that was free a moment ago.
  Result<std::unique_ptr<TlsStream>> connect_to_s_server(std::optional<Process>& server,
                                                         std::vector<std::string> more) {
    listen_on_loopback().reset();
    std::vector<std::string> all{"openssl", "s_server",
                                 "-accept", "127.0.0.1:" + std::to_string(port_),
                                 "-CAfile", folder_ + "/root.pem",
                                 "-cert",   folder_ + "/cert.pem",
                                 "-key",    folder_ + "/key.pem"};
    all.insert(all.end(), more.begin(), more.end());
    server.emplace(std::move(all));
    server->read_until("ACCEPT");
    Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port_);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const timeval patience{20, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    auto context = TlsContext::make(mesh_.material("shop", "cart"));
    return TlsStream::connect(
        {*context, std::make_unique<SocketStream>(std::move(fd)), pool_, signer_},
        {spiffe_id("pay", "till")});
  }
  std::string read_some(TlsStream& stream) {
    std::array<std::byte, 4096> buffer;
    const auto got = stream.read(buffer);
    if (!got) return "error: " + got.error().message();
    return {reinterpret_cast<const char*>(buffer.data()), got->bytes};
  }

  const test::TestMesh mesh_;
  InlineSigner signer_;
  BlockPool pool_;
  std::string folder_;
  uint16_t port_ = 0;
};

TEST_F(OpensslInterop, ServesSClient) {
  const Fd listener = listen_on_loopback();
  Process client(s_client(with_cert()));
  client.say("hello\n");
  const auto stream = accept_one(listener);
  const auto progress = stream->handshake();
  ASSERT_TRUE(progress) << progress.error().message();
  EXPECT_EQ(stream->peer()->id, spiffe_id("pay", "till"));
  EXPECT_EQ(read_some(*stream), "hello\n");
  BufferChain answer(pool_);
  ASSERT_TRUE(answer.append("good morning\n"));
  ASSERT_TRUE(stream->write(answer));
  const std::string& seen = client.read_until("good morning");
  EXPECT_NE(seen.find("TLSv1.3"), std::string::npos) << seen;
  EXPECT_NE(seen.find("ALPN protocol: h2"), std::string::npos);
  EXPECT_NE(seen.find("Verify return code: 0 (ok)"), std::string::npos);
  // No session to resume, no early data.
  EXPECT_EQ(seen.find("New Session Ticket"), std::string::npos);
  EXPECT_NE(seen.find("Early data was not sent"), std::string::npos);
  client.end_input();  // s_client then sends close_notify
  EXPECT_EQ(read_some(*stream), "");
}

TEST_F(OpensslInterop, RefusesAPeerThatSpeaksOnlyTls12) {
  auto options = with_cert();
  options.push_back("-tls1_2");
  EXPECT_EQ(server_refusal(options), Reason::tls_version_refused);
}

TEST_F(OpensslInterop, RefusesAClientWithoutACertificate) {
  EXPECT_EQ(server_refusal({"-alpn", "h2"}), Reason::certificate_missing);
}

TEST_F(OpensslInterop, RefusesAClientThatOffersAnotherProtocol) {
  auto options = with_cert();
  options.back() = "http/1.1";
  EXPECT_EQ(server_refusal(options), Reason::tls_alpn_mismatch);
}

TEST_F(OpensslInterop, RefusesAClientThatOffersNoProtocol) {
  auto options = with_cert();
  options.resize(4);
  EXPECT_EQ(server_refusal(options), Reason::tls_alpn_mismatch);
}

TEST_F(OpensslInterop, AnswersAWrongIdentityWithTheAlertThatZtunnelUses) {
  use_foreign(make_signed(CertSpec::of("spiffe://other.example/ns/pay/sa/till"), mesh_.root));
  const Fd listener = listen_on_loopback();
  Process client(s_client(with_cert()));
  const auto stream = accept_one(listener);
  const auto progress = stream->handshake();
  ASSERT_FALSE(progress);
  EXPECT_EQ(progress.error().reason, Reason::trust_domain_mismatch);
  EXPECT_NE(client.read_until("alert number 46").find("alert number 46"), std::string::npos);
}

TEST_F(OpensslInterop, CallsSServerAndSendsItNoServerName) {
  std::optional<Process> server;
  auto stream = connect_to_s_server(
      server, {"-Verify", "2", "-verify_return_error", "-alpn", "h2", "-tlsextdebug", "-rev"});
  ASSERT_TRUE(stream) << stream.error().message();
  const auto progress = (*stream)->handshake();
  ASSERT_TRUE(progress) << progress.error().message();
  EXPECT_EQ((*stream)->peer()->id, spiffe_id("pay", "till"));
  BufferChain text(pool_);
  ASSERT_TRUE(text.append("abcdef\n"));
  ASSERT_TRUE((*stream)->write(text));
  EXPECT_EQ(read_some(**stream), "fedcba\n");
  ASSERT_TRUE((*stream)->shutdown_write());
  const std::string& seen = server->read_until("CONNECTION CLOSED");
  EXPECT_EQ(seen.find("\"server name\""), std::string::npos) << seen;
  EXPECT_NE(seen.find("\"application layer protocol negotiation\""), std::string::npos) << seen;
}

TEST_F(OpensslInterop, RefusesAServerThatSpeaksOnlyTls12) {
  std::optional<Process> server;
  auto stream = connect_to_s_server(server, {"-tls1_2", "-alpn", "h2"});
  ASSERT_TRUE(stream);
  const auto progress = (*stream)->handshake();
  ASSERT_FALSE(progress);
  EXPECT_EQ(progress.error().reason, Reason::tls_version_refused) << progress.error().message();
}

TEST_F(OpensslInterop, RefusesAServerThatSelectsNoProtocol) {
  std::optional<Process> server;
  auto stream = connect_to_s_server(server, {"-Verify", "2"});
  ASSERT_TRUE(stream);
  const auto progress = (*stream)->handshake();
  ASSERT_FALSE(progress);
  EXPECT_EQ(progress.error().reason, Reason::tls_alpn_mismatch);
}

}  // namespace
}  // namespace keelson::tls
