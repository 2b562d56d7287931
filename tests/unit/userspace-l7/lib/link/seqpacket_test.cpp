#include "link/seqpacket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cstdlib>
#include <string>

namespace keelson::link {
namespace {

struct Pair {
  Fd left;
  Fd right;
};

Pair make_pair() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string socket_path() {
  std::string folder = "/tmp/keelson-link-XXXXXX";
  EXPECT_NE(::mkdtemp(folder.data()), nullptr);
  return folder + "/s.sock";
}

TEST(Seqpacket, carries_a_message_with_its_fds_and_marks_them_close_on_exec) {
  const Pair pair = make_pair();
  const Fd file(::open("/dev/null", O_RDONLY));
  const int fds[] = {file.get(), file.get()};
  ASSERT_TRUE(send_message(pair.left, bytes("hello"), fds));
  std::array<std::byte, 16> into;
  auto got = receive_message(pair.right, into);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(got->bytes, 5U);
  ASSERT_EQ(got->fds.size(), 2U);
  EXPECT_EQ(::fcntl(got->fds[1].get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST(Seqpacket, refuses_a_message_longer_than_the_receivers_buffer) {
  const Pair pair = make_pair();
  ASSERT_TRUE(send_message(pair.left, bytes("123456789")));
  std::array<std::byte, 8> into;
  const auto got = receive_message(pair.right, into);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().reason, Reason::message_malformed);
}

TEST(Seqpacket, refuses_more_fds_than_the_limit_and_leaks_none) {
  const Pair pair = make_pair();
  const Fd file(::open("/dev/null", O_RDONLY));
  const std::vector<int> over(kFdsPerMessageMax + 1, file.get());
  ASSERT_FALSE(send_message(pair.left, bytes("x"), over));
  // A peer that ignores the limit: the kernel truncates the list for us.
  char control[CMSG_SPACE(200 * sizeof(int))] = {};
  char text = 'x';
  iovec part{&text, 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(200 * sizeof(int));
  for (size_t i = 0; i < 200; ++i) reinterpret_cast<int*>(CMSG_DATA(header))[i] = file.get();
  ASSERT_EQ(::sendmsg(pair.left.get(), &message, 0), 1);
  const Fd before(::dup(file.get()));
  std::array<std::byte, 8> into;
  const auto got = receive_message(pair.right, into);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().reason, Reason::message_malformed);
  const Fd after(::dup(file.get()));
  EXPECT_EQ(after.get(), before.get() + 1) << "received descriptors stayed open";
}

TEST(Seqpacket, tells_the_end_of_the_peer_from_nothing_to_read) {
  Pair pair = make_pair();
  std::array<std::byte, 8> into;
  const auto empty = receive_message(pair.right, into);
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().os_errno, EAGAIN);
  pair.left.reset();
  const auto end = receive_message(pair.right, into);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->bytes, 0U);
}

TEST(Seqpacket, refuses_to_send_an_empty_message_because_it_reads_as_the_end) {
  const Pair pair = make_pair();
  EXPECT_FALSE(send_message(pair.left, {}));
}

TEST(Seqpacket, listens_with_the_wanted_mode_and_replaces_a_stale_socket_file) {
  const std::string path = socket_path();
  ASSERT_TRUE(listen_seqpacket(path, 0600));  // closed at once: a stale file stays
  EXPECT_FALSE(connect_seqpacket(path));
  const auto listener = listen_seqpacket(path, 0666);
  ASSERT_TRUE(listener);
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0666U);
  const auto client = connect_seqpacket(path);
  ASSERT_TRUE(client) << client.error().message();
  const auto served = accept_seqpacket(*listener);
  ASSERT_TRUE(served);
  const auto peer = peer_credentials(*served);
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->uid, ::getuid());
  EXPECT_EQ(peer->pid, ::getpid());
  ::unlink(path.c_str());
  ::rmdir(path.substr(0, path.rfind('/')).c_str());
}

TEST(Seqpacket, refuses_a_path_that_does_not_fit_a_socket_address) {
  const auto listener = listen_seqpacket("/tmp/" + std::string(200, 'x'), 0600);
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().reason, Reason::bad_value);
}

}  // namespace
}  // namespace keelson::link
