// ReadyPort over real sockets, asked as a kubelet asks and as nobody should.
#include "proxy/ready_port.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "support/wait_until.h"

namespace keelson::proxy {
namespace {

class ReadyPortTest : public testing::Test {
 protected:
  void SetUp() override {
    auto port = ReadyPort::open(loop_, Endpoint::parse("127.0.0.1:0").value());
    ASSERT_TRUE(port) << port.error().message();
    port_ = std::move(*port);
  }
  Fd connect() {
    sockaddr_storage address;
    const socklen_t size = port_->local().value().to_sockaddr(address);
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    return fd;
  }
  static void say(const Fd& fd, std::string_view text) {
    ASSERT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  struct Heard {
    std::string text;
    int end = -1;  // 0: an orderly one; else errno
  };
  // What comes until the other side ends.
  Heard hear(const Fd& fd) {
    Heard heard;
    const bool ended = test::wait_until([&] {
      loop_.run_ready();
      std::array<char, 512> bytes;
      const ssize_t n = ::recv(fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (n > 0) heard.text.append(bytes.data(), static_cast<size_t>(n));
      if (n < 0 && errno == EAGAIN) return false;
      if (n <= 0) heard.end = n == 0 ? 0 : errno;
      return n <= 0;
    });
    EXPECT_TRUE(ended) << "still open";
    return heard;
  }
  Heard ask() {
    const Fd fd = connect();
    say(fd, "GET /ready HTTP/1.1\r\nHost: 10.0.0.1\r\nUser-Agent: kube-probe/1.37\r\n\r\n");
    return hear(fd);
  }

  io::EventLoop loop_;
  std::unique_ptr<ReadyPort> port_;
};

TEST_F(ReadyPortTest, Says503UntilItIsReadyAnd200FromThenOn) {
  Heard heard = ask();
  EXPECT_EQ(heard.text.substr(0, 13), "HTTP/1.1 503 ");
  EXPECT_EQ(heard.end, 0);
  port_->set_ready();
  for (int i = 0; i < 3; i++) {
    heard = ask();
    EXPECT_EQ(heard.text.substr(0, 13), "HTTP/1.1 200 ");
    EXPECT_EQ(heard.text.substr(heard.text.find("\r\n\r\n") + 4), "ready\n");
    EXPECT_EQ(heard.end, 0);
  }
}

TEST_F(ReadyPortTest, AHeadMayComeInPiecesAndABodyIsNotRead) {
  port_->set_ready();
  const Fd fd = connect();
  for (const std::string_view piece : {"GET / HT", "TP/1.1\r\n", "\r\nbody"}) {
    say(fd, piece);
    loop_.run_ready();
  }
  EXPECT_EQ(hear(fd).text.substr(0, 13), "HTTP/1.1 200 ");
}

TEST_F(ReadyPortTest, AHeadWithoutEndIsClosedUnanswered) {
  const Fd fd = connect();
  say(fd, std::string(kReadyHeadBytesMax, 'x'));
  EXPECT_EQ(hear(fd).text, "");
}

// While it waited for those who say nothing, a kubelet's probes failed.
TEST_F(ReadyPortTest, TheOldestOfThoseWhoSayNothingMakesRoom) {
  std::vector<Fd> silent;
  for (size_t i = 0; i < kReadyAsksMax; i++) silent.push_back(connect());
  loop_.run_ready();
  const Fd next = connect();
  say(next, "GET /ready HTTP/1.1\r\n\r\n");
  EXPECT_EQ(hear(silent.front()).text, "");
  say(silent.back(), "GET /ready HTTP/1.1\r\n\r\n");
  EXPECT_EQ(hear(silent.back()).text.substr(0, 13), "HTTP/1.1 503 ") << "it is there still";
  EXPECT_EQ(hear(next).text.substr(0, 13), "HTTP/1.1 503 ");
}

TEST_F(ReadyPortTest, WhoeverSaysNothingIsLeft) {
  const Fd silent = connect();
  EXPECT_EQ(hear(silent).text, "") << "after kReadyAskTime";
}

TEST_F(ReadyPortTest, OneThatLeavesWithoutAWordIsForgotten) {
  for (size_t i = 0; i < 2 * kReadyAsksMax; i++) {
    connect();
    loop_.run_ready();
  }
  EXPECT_EQ(ask().text.substr(0, 13), "HTTP/1.1 503 ");
}

}  // namespace
}  // namespace keelson::proxy
