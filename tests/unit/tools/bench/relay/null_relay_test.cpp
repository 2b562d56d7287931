// null-relay as a process on loopback: bytes both ways, half-close, back-pressure, broken ends.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "support/tcp_peer.h"
#include "support/wait_until.h"

namespace keelson::test {
namespace {

class Listener {
 public:
  Listener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage address{};
    socklen_t length = endpoint("127.0.0.1", 0).to_sockaddr(address);
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    if (::bind(fd_.get(), raw, length) != 0 || ::listen(fd_.get(), 16) != 0 ||
        ::getsockname(fd_.get(), raw, &length) != 0)
      std::abort();
    where_ = *Endpoint::from_sockaddr(address);
  }
  const Endpoint& where() const { return where_; }
  Connection accept() const {
    Connection connection;
    connection.fd = Fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    return connection;
  }

 private:
  Fd fd_;
  Endpoint where_;
};

// The running program; it tells on standard output where it listens.
class RelayProcess {
 public:
  explicit RelayProcess(const Endpoint& to) {
    int ends[2];
    if (::pipe(ends) != 0) std::abort();
    const std::string program = std::string(std::getenv("KEELSON_BIN")) + "/null-relay";
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::execl(program.c_str(), "null-relay", "--listen", "127.0.0.1:0", "--to",
              to.to_string().c_str(), nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    const Fd output(ends[0]);
    std::string line;
    for (char c = 0; ::read(output.get(), &c, 1) == 1 && c != '\n';) line += c;
    where_ = endpoint("127.0.0.1", static_cast<uint16_t>(std::atoi(&line[line.rfind(':') + 1])));
  }
  ~RelayProcess() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  RelayProcess(const RelayProcess&) = delete;
  RelayProcess& operator=(const RelayProcess&) = delete;

  const Endpoint& where() const { return where_; }

 private:
  pid_t pid_ = 0;
  Endpoint where_;
};

class NullRelay : public testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("KEELSON_BIN") == nullptr) FAIL() << "KEELSON_BIN is not set";
    relay_.emplace(listener_.where());
    client_ = connect_here(relay_->where());
    ASSERT_TRUE(client_.is_open());
    server_ = listener_.accept();
  }

  Listener listener_;
  std::optional<RelayProcess> relay_;
  Connection client_, server_;
};

TEST_F(NullRelay, CarriesBytesBothWays) {
  client_.send("question");
  EXPECT_EQ(server_.receive(8), "question");
  server_.send("answer");
  EXPECT_EQ(client_.receive(6), "answer");
}

TEST_F(NullRelay, PassesAHalfCloseOnAndStillCarriesTheOtherDirection) {
  client_.send("last words");
  client_.shut_down_sending();
  std::string text;
  EXPECT_EQ(server_.receive_exactly(11, text), ENODATA);
  EXPECT_EQ(text, "last words");
  server_.send("answer behind it");
  EXPECT_EQ(client_.receive(16), "answer behind it");
  server_.shut_down_sending();
  EXPECT_EQ(client_.wait_for_end(kPatience), 0);
}

// Sends without waiting until the kernel takes no more for a while; returns how much it took.
size_t fill(const Connection& to, const std::string& block) {
  size_t sent = 0;
  const auto is_stuck = [&] {
    const ssize_t n = ::send(to.fd.get(), block.data(), block.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) sent += static_cast<size_t>(n);
    return n < 0 && errno == EAGAIN;
  };
  size_t before = 0;
  do {
    before = sent;
    wait_until(is_stuck);
    wait_until([&] { return !is_stuck(); }, std::chrono::milliseconds(200));
  } while (sent != before);
  return sent;
}

TEST_F(NullRelay, DoesNotReadWhatTheOtherSideCannotTakeAndLosesNothing) {
  const int small = 16 << 10;
  ::setsockopt(server_.fd.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  const std::string block(64 << 10, 'x');
  const size_t sent = fill(client_, block);
  // Were it to read on without end, so could the client.
  EXPECT_LT(sent, size_t{64} << 20);
  client_.shut_down_sending();
  std::string text;
  EXPECT_EQ(server_.receive_exactly(sent + 1, text), ENODATA);
  EXPECT_EQ(text.size(), sent);
  EXPECT_EQ(text.find_first_not_of('x'), std::string::npos);
  server_.send("all here");  // while one direction stood still, the other was not lost
  EXPECT_EQ(client_.receive(8), "all here");
}

TEST_F(NullRelay, TakesTheOtherSideAlongWhenOneBreaks) {
  client_.send("x");
  ASSERT_EQ(server_.receive(1), "x");
  server_.reset();
  EXPECT_NE(client_.wait_for_end(kPatience), ETIMEDOUT);
}

TEST_F(NullRelay, EndsAClientWhoseUpstreamRefuses) {
  Endpoint refused;
  { refused = Listener().where(); }
  RelayProcess relay(refused);
  const Connection client = connect_here(relay.where());
  EXPECT_NE(client.wait_for_end(kPatience), ETIMEDOUT);
}

}  // namespace
}  // namespace keelson::test
