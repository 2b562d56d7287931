// TcpStream, Listener and Connect against the kernel, on loopback and AF_UNIX.
#include "io/tcp_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <vector>

#include "io/connect.h"
#include "io/listener.h"

namespace keelson::io {
namespace {

struct CountingObserver final : StreamObserver {
  void on_readable() noexcept override { readable++; }
  void on_writable() noexcept override { writable++; }
  int readable = 0;
  int writable = 0;
};

Endpoint loopback(uint16_t port = 0) {
  return {*IpAddress::parse("127.0.0.1"), port};
}

Endpoint address_of(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), 0);
  return *Endpoint::from_sockaddr(address);
}

class Streams : public testing::Test {
 protected:
  void SetUp() override {
    auto listening = listen_tcp(loopback());
    ASSERT_TRUE(listening);
    const Endpoint to = address_of(listening->get());
    auto listener = Listener::open(loop, std::move(*listening), [this](Socket socket) {
      server = std::move(*TcpStream::open(loop, std::move(socket)));
    });
    ASSERT_TRUE(listener);
    const auto connect = Connect::start(loop, to, [this](Result<Socket> socket) {
      ASSERT_TRUE(socket);
      client = std::move(*TcpStream::open(loop, std::move(*socket)));
    });
    while (server == nullptr || client == nullptr) loop.run_once();
    server->observe(&server_seen);
    client->observe(&client_seen);
  }
  void TearDown() override {
    server.reset();
    client.reset();
  }

  // Reads until the stream would block, ends or fails.
  static std::string drain(TcpStream& stream, ReadResult::Kind* last = nullptr,
                           Reason* error = nullptr) {
    std::string all;
    std::array<std::byte, 4096> space;
    while (true) {
      const auto result = stream.read(space);
      if (!result) {
        if (error != nullptr) *error = result.error().reason;
        return all;
      }
      if (last != nullptr) *last = result->kind;
      if (!result->is_data()) return all;
      all.append(reinterpret_cast<const char*>(space.data()), result->bytes);
    }
  }
  // The server reads less than it had room for; then "second" comes, which nobody has told of.
  void send_second_behind_a_short_read() {
    wait_readable_after_writing("first");
    std::array<std::byte, 64> space;
    ASSERT_EQ(server->read(space)->bytes, 5u);
    BufferChain out(pool);
    ASSERT_TRUE(out.append(std::string_view("second")));
    ASSERT_TRUE(client->write(out));
  }
  // The server asks first, then the client writes (and ends).
  void wait_readable_after_writing(std::string_view text, bool then_end = false) {
    EXPECT_EQ(drain(*server), "");
    BufferChain out(pool);
    ASSERT_TRUE(out.append(text));
    ASSERT_TRUE(client->write(out));
    EXPECT_TRUE(out.empty());
    if (then_end) {
      ASSERT_TRUE(client->shutdown_write());
    }
    while (server_seen.readable == 0) loop.run_once();
  }
  void wait_end_of_client() {
    ReadResult::Kind last = ReadResult::Kind::kData;
    while (true) {
      received += drain(*client, &last);
      if (last == ReadResult::Kind::kEof) return;
      ASSERT_EQ(last, ReadResult::Kind::kWouldBlock);
      loop.run_once();
    }
  }
  template <class Action>
  void wait_reset_after(Action&& action) {
    EXPECT_EQ(drain(*client), "");
    action();
    while (client_seen.readable == 0) loop.run_once();
    Reason error = Reason::none;
    drain(*client, nullptr, &error);
    EXPECT_EQ(error, Reason::stream_reset) << "an end of stream would look like a complete message";
  }

  EventLoop loop;
  BlockPool pool;
  CountingObserver server_seen;
  CountingObserver client_seen;
  std::unique_ptr<TcpStream> server;
  std::unique_ptr<TcpStream> client;
  std::string received;
};

TEST_F(Streams, CarryBytesAndAnnounceThemOnceAfterARefusedRead) {
  wait_readable_after_writing("hello");
  EXPECT_EQ(drain(*server), "hello");
  EXPECT_EQ(server_seen.readable, 1);
  loop.run_ready();
  EXPECT_EQ(server_seen.readable, 1) << "armed, and nothing came";
}

TEST_F(Streams, AnnounceNothingToOneThatDidNotAsk) {
  BufferChain out(pool);
  ASSERT_TRUE(out.append("unasked"));
  ASSERT_TRUE(client->write(out));
  loop.run_ready();
  EXPECT_EQ(server_seen.readable, 0) << "not reading is the back-pressure";
}

// The race of an edge with a short read: what came after the read is announced, whoever asked
// first.
TEST_F(Streams, AnnounceWhatArrivedBetweenAShortReadAndTheNextOne) {
  send_second_behind_a_short_read();
  std::string got = drain(*server);  // asks the kernel or does not; then waits
  const int told = server_seen.readable;
  while (got.empty()) {
    loop.run_once();
    if (server_seen.readable > told) got = drain(*server);
  }
  EXPECT_EQ(got, "second");
}

TEST_F(Streams, AskTheKernelWhenTheyAreTo) {
  send_second_behind_a_short_read();
  std::array<std::byte, 64> space;
  EXPECT_TRUE(server->read(space)->is_would_block()) << "the loop has not told";
  server->look_again();
  EXPECT_EQ(server->read(space)->bytes, 6u);
}

TEST_F(Streams, FindAnEndBehindAShortReadWithoutAnotherEdge) {
  wait_readable_after_writing("last words", true);
  ReadResult::Kind last{};
  EXPECT_EQ(drain(*server, &last), "last words");
  EXPECT_EQ(last, ReadResult::Kind::kEof);
}

// recv(2) stops at the urgent mark although more is there.
TEST_F(Streams, ReadOnBehindUrgentData) {
  EXPECT_EQ(drain(*server), "");
  const int from = client->socket().fd();
  ASSERT_EQ(send(from, "ab", 2, 0), 2);
  ASSERT_EQ(send(from, "!", 1, MSG_OOB), 1);
  ASSERT_EQ(send(from, "cd", 2, 0), 2);
  std::string got;
  for (int told = 0; got.size() < 4;) {
    loop.run_once();
    if (server_seen.readable == told) continue;
    told = server_seen.readable;
    got += drain(*server);
  }
  EXPECT_EQ(got, "abcd");
}

TEST_F(Streams, TakeWhatFitsAndCallWhenThereIsRoomAgain) {
  std::string sent;
  BufferChain out(pool);
  while (out.empty()) {
    const std::string part(64 * 1024, static_cast<char>('a' + sent.size() / 65536 % 26));
    ASSERT_TRUE(out.append(part));
    sent += part;
    ASSERT_TRUE(client->write(out));
  }
  EXPECT_GT(out.size(), 0u) << "the rest stays the caller's";
  while (!out.empty()) {
    const int before = client_seen.writable;
    while (client_seen.writable == before) {
      received += drain(*server);
      loop.run_once();
    }
    ASSERT_TRUE(client->write(out));
  }
  ASSERT_TRUE(client->shutdown_write());
  ReadResult::Kind last = ReadResult::Kind::kData;
  while (true) {
    received += drain(*server, &last);
    if (last == ReadResult::Kind::kEof) break;
    loop.run_once();
  }
  EXPECT_TRUE(received == sent) << "no byte lost or out of order";
  EXPECT_GE(client_seen.writable, 1);
}

TEST_F(Streams, HalfCloseLeavesTheOtherDirectionOpen) {
  wait_readable_after_writing("question", true);
  ReadResult::Kind last = ReadResult::Kind::kData;
  std::string question = drain(*server, &last);
  while (last != ReadResult::Kind::kEof) {
    loop.run_once();
    question += drain(*server, &last);
  }
  EXPECT_EQ(question, "question");
  BufferChain answer(pool);
  ASSERT_TRUE(answer.append("answer"));
  ASSERT_TRUE(server->write(answer));
  ASSERT_TRUE(server->shutdown_write());
  server.reset();  // both directions ended: an orderly close
  wait_end_of_client();
  EXPECT_EQ(received, "answer");
}

TEST_F(Streams, ResetReachesThePeerAsReset) {
  wait_reset_after([this] { server->reset(Reason::policy_denied); });
}

TEST_F(Streams, DroppingAnUnfinishedStreamIsAResetToo) {
  wait_reset_after([this] { server.reset(); });
}

TEST_F(Streams, DroppingAfterOnlyOneEndIsAReset) {
  ASSERT_TRUE(server->shutdown_write());
  ReadResult::Kind last = ReadResult::Kind::kData;
  drain(*client, &last);
  while (last != ReadResult::Kind::kEof) {
    loop.run_once();
    drain(*client, &last);
  }
  server.reset();
  // The client still may send: the next byte but one meets the reset.
  BufferChain out(pool);
  Result<size_t> result = size_t{0};
  while (result) {
    ASSERT_TRUE(out.append("x"));
    result = client->write(out);
  }
  EXPECT_EQ(result.error().reason, Reason::stream_reset);
}

TEST_F(Streams, OrderlyCloseDeliversWhatWasWritten) {
  BufferChain out(pool);
  const std::string text(200000, 'z');
  ASSERT_TRUE(out.append(text));
  const auto written = server->write(out);
  ASSERT_TRUE(written);
  ASSERT_TRUE(server->shutdown_write());
  server->close_orderly();
  server.reset();
  wait_end_of_client();
  EXPECT_EQ(received.size(), *written);
}

TEST_F(Streams, ReadIntoAChainReadsOneBlockAtMostAndKeepsNoUnusedBlock) {
  BufferChain in(pool);
  const auto nothing = read_into(*server, in);
  ASSERT_TRUE(nothing);
  EXPECT_TRUE(nothing->is_would_block());
  EXPECT_EQ(pool.counts().in_use, 0u);
  BufferChain out(pool);
  ASSERT_TRUE(out.append("abc"));
  ASSERT_TRUE(client->write(out));
  while (server_seen.readable == 0) loop.run_once();
  const auto some = read_into(*server, in, 2);
  ASSERT_TRUE(some);
  EXPECT_EQ(in.to_string(), "ab");
}

TEST(Listener, PausesWhenNoDescriptorIsLeftAndGoesOnLater) {
  EventLoop loop;
  auto listening = listen_tcp(loopback());
  ASSERT_TRUE(listening);
  const Endpoint to = address_of(listening->get());
  std::vector<Socket> accepted;
  auto listener = Listener::open(loop, std::move(*listening),
                                 [&](Socket s) { accepted.push_back(std::move(s)); });
  ASSERT_TRUE(listener);
  Fd client(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_storage address;
  const socklen_t length = to.to_sockaddr(address);
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  while ((*listener)->counts().exhausted == 0) loop.run_once();
  EXPECT_TRUE(accepted.empty());
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  while (accepted.empty()) loop.run_once();
  EXPECT_EQ((*listener)->counts().accepted, 1u);
  EXPECT_EQ((*listener)->counts().exhausted, 1u) << "one pause, no busy loop";
}

TEST(Listener, TakesABoundedNumberPerWake) {
  EventLoop loop;
  auto listening = listen_tcp(loopback());
  ASSERT_TRUE(listening);
  const Endpoint to = address_of(listening->get());
  std::vector<Socket> accepted;
  auto listener = Listener::open(loop, std::move(*listening),
                                 [&](Socket s) { accepted.push_back(std::move(s)); });
  ASSERT_TRUE(listener);
  std::vector<Fd> clients;
  sockaddr_storage address;
  const socklen_t length = to.to_sockaddr(address);
  for (int i = 0; i < kAcceptsPerWake + 10; i++) {
    clients.emplace_back(::socket(AF_INET, SOCK_STREAM, 0));
    ASSERT_EQ(::connect(clients.back().get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  }
  loop.run_once();
  EXPECT_EQ(accepted.size(), static_cast<size_t>(kAcceptsPerWake));
  loop.run_once();
  EXPECT_EQ(accepted.size(), clients.size());
}

TEST(Connect, ReportsARefusalByName) {
  EventLoop loop;
  Endpoint closed;
  {
    auto listening = listen_tcp(loopback());
    ASSERT_TRUE(listening);
    closed = address_of(listening->get());
  }
  Reason reason = Reason::none;
  std::unique_ptr<Connect> connect;
  connect = Connect::start(loop, closed, [&](Result<Socket> socket) {
    ASSERT_FALSE(socket);
    reason = socket.error().reason;
    connect.reset();  // destroying it from its callback is allowed
  });
  while (reason == Reason::none) loop.run_once();
  EXPECT_EQ(reason, Reason::connect_refused);
}

TEST(Connect, SaysNothingOnceDestroyed) {
  EventLoop loop;
  auto listening = listen_tcp(loopback());
  ASSERT_TRUE(listening);
  auto connect = Connect::start(loop, address_of(listening->get()),
                                [](Result<Socket>) { FAIL() << "called after destruction"; });
  connect.reset();
  loop.run_ready();
}

class UnixSockets : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "keelson-io-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory = name;
    path = directory + "/s.sock";
  }
  void TearDown() override { std::filesystem::remove_all(directory); }

  EventLoop loop;
  BlockPool pool;
  std::string directory;
  std::string path;
};

TEST_F(UnixSockets, ConnectWithTheFilesPermissionsAndKnowThePeer) {
  auto listening = listen_unix(path, 0600);
  ASSERT_TRUE(listening);
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  std::unique_ptr<TcpStream> server;
  auto listener = Listener::open(loop, std::move(*listening), [&](Socket socket) {
    const auto peer = socket.peer_process();
    ASSERT_TRUE(peer);
    EXPECT_EQ(peer->pid, ::getpid());
    server = std::move(*TcpStream::open(loop, std::move(socket)));
  });
  ASSERT_TRUE(listener);
  std::unique_ptr<TcpStream> client;
  const auto connect = Connect::start_unix(loop, path, [&](Result<Socket> socket) {
    ASSERT_TRUE(socket);
    client = std::move(*TcpStream::open(loop, std::move(*socket)));
  });
  while (client == nullptr || server == nullptr) loop.run_once();
  BufferChain out(pool);
  ASSERT_TRUE(out.append("ping"));
  ASSERT_TRUE(client->write(out));
  BufferChain in(pool);
  const auto read = read_into(*server, in);
  ASSERT_TRUE(read);
  EXPECT_EQ(in.to_string(), "ping");
}

TEST_F(UnixSockets, TakeThePathOverFromADeadAndFromALivingListener) {
  {
    const auto dead = listen_unix(path, 0600);
    ASSERT_TRUE(dead);
  }
  const auto older = listen_unix(path, 0600);
  ASSERT_TRUE(older) << older.error().message();
  const auto newer = listen_unix(path, 0600);
  ASSERT_TRUE(newer) << newer.error().message();
  const auto client = connect_unix_blocking(path);
  ASSERT_TRUE(client);
  const Fd at_older(::accept4(older->get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  const Fd at_newer(::accept4(newer->get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  EXPECT_FALSE(at_older);
  EXPECT_TRUE(at_newer);
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
}

TEST_F(UnixSockets, NeverReplaceAFileThatIsNoSocket) {
  Fd file(::open(path.c_str(), O_CREAT | O_WRONLY, 0600));
  ASSERT_TRUE(file);
  EXPECT_FALSE(listen_unix(path, 0600));
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(UnixSockets, TellWhyNobodyAnswers) {
  Reason reason = Reason::none;
  const auto connect = Connect::start_unix(
      loop, path, [&](Result<Socket> socket) { reason = socket.error().reason; });
  EXPECT_EQ(reason, Reason::none) << "never before start() has returned";
  while (reason == Reason::none) loop.run_once();
  EXPECT_EQ(reason, Reason::connect_refused);
}

}  // namespace
}  // namespace keelson::io
