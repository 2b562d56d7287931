// read_interfaces with a kernel that the test plays on socket pairs: answers that a real one gives
// only now and then, and what it is asked. Real namespaces: netns/hold_test.
#include "hold/interfaces.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <string>

#include "base/ip_address.h"

namespace keelson::hold {
namespace {

using testing::HasSubstr;

constexpr uint16_t kPart = NLM_F_MULTI;
constexpr uint16_t kInterrupted = NLM_F_MULTI | NLM_F_DUMP_INTR;

class Message {
 public:
  // Of a dump of this type, whose sequence number read_interfaces takes from it.
  Message(uint16_t type, uint16_t flags, uint16_t of) : head_(mnl_nlmsg_put_header(bytes_.data())) {
    head_->nlmsg_type = type;
    head_->nlmsg_flags = flags;
    head_->nlmsg_seq = of;
  }
  template <class Header>
  Header* extend() {
    return static_cast<Header*>(mnl_nlmsg_put_extra_header(head_, sizeof(Header)));
  }
  nlmsghdr* head() { return head_; }
  std::string text() const { return {bytes_.data(), head_->nlmsg_len}; }

 private:
  alignas(nlmsghdr) std::array<char, 512> bytes_{};
  nlmsghdr* head_;
};

std::string link_row(uint32_t index, uint32_t peer, const char* name, uint16_t flags = kPart) {
  Message message(RTM_NEWLINK, flags, RTM_GETLINK);
  message.extend<ifinfomsg>()->ifi_index = static_cast<int>(index);
  if (peer != 0) mnl_attr_put_u32(message.head(), IFLA_LINK, peer);
  mnl_attr_put_strz(message.head(), IFLA_IFNAME, name);
  return message.text();
}

std::string address_row(const char* text, uint16_t flags = kPart) {
  in_addr raw{};
  EXPECT_EQ(::inet_pton(AF_INET, text, &raw), 1);
  Message message(RTM_NEWADDR, flags, RTM_GETADDR);
  message.extend<ifaddrmsg>()->ifa_family = AF_INET;
  mnl_attr_put_u32(message.head(), IFA_LOCAL, raw.s_addr);
  return message.text();
}

std::string done(uint16_t of, uint16_t flags = kPart) {
  Message message(NLMSG_DONE, flags, of);
  message.extend<int>();
  return message.text();
}

std::string refusal(int os_errno) {
  Message message(NLMSG_ERROR, 0, RTM_GETLINK);
  message.extend<nlmsgerr>()->error = -os_errno;
  return message.text();
}

// One namespace's socket. Packets are what the kernel will say, whatever it is asked.
class FakeKernel {
 public:
  FakeKernel() {
    int pair[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    socket_.reset(pair[0]);
    kernel_.reset(pair[1]);
  }
  void say(std::initializer_list<std::string> packets) {
    for (const std::string& packet : packets)
      EXPECT_EQ(::send(kernel_.get(), packet.data(), packet.size(), 0),
                static_cast<ssize_t>(packet.size()));
  }
  // The next request's bytes, or empty: it was asked nothing more.
  std::string asked() {
    std::array<char, 512> bytes;
    const ssize_t received = ::recv(kernel_.get(), bytes.data(), bytes.size(), 0);
    return received <= 0 ? std::string() : std::string(bytes.data(), static_cast<size_t>(received));
  }
  const Fd& socket() const { return socket_; }

 private:
  Fd socket_, kernel_;
};

class ReadInterfaces : public testing::Test {
 protected:
  Result<void> read() { return read_interfaces(in_pod_.socket(), at_home_.socket(), pod_); }
  void say_one_address() { in_pod_.say({address_row("10.0.0.2"), done(RTM_GETADDR)}); }

  FakeKernel in_pod_, at_home_;
  link::HoldPod pod_{};
};

TEST_F(ReadInterfaces, AnInterruptedDumpIsVoidAndAskedAgain) {
  in_pod_.say(
      {link_row(3, 5, "old0") + link_row(4, 6, "old1", kInterrupted) + link_row(5, 7, "old2"),
       done(RTM_GETLINK, kInterrupted), link_row(2, 9, "eth0"), done(RTM_GETLINK)});
  in_pod_.say({address_row("10.0.0.9"), done(RTM_GETADDR, kInterrupted)});
  say_one_address();
  at_home_.say({link_row(9, 2, "veth1", 0)});
  const auto outcome = read();
  ASSERT_TRUE(outcome) << outcome.error().message();
  EXPECT_EQ(pod_.ifindex, 2U);
  EXPECT_EQ(pod_.peer_ifindex, 9U);
  ASSERT_EQ(pod_.address_count, 1U);
  EXPECT_EQ(IpAddress(pod_.addresses[0]).to_string(), "10.0.0.2");
}

TEST_F(ReadInterfaces, ADumpThatIsInterruptedEachTimeFails) {
  for (int i = 0; i < 8; ++i) in_pod_.say({done(RTM_GETLINK, kInterrupted)});
  const auto outcome = read();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().reason, Reason::io_error);
  EXPECT_THAT(outcome.error().message(), HasSubstr("changed during each of"));
}

// A dump of the node's links for each of its pods took time by the square of their number.
TEST_F(ReadInterfaces, AtHomeThePeerAloneIsAskedFor) {
  in_pod_.say({link_row(2, 9, "eth0"), done(RTM_GETLINK)});
  say_one_address();
  at_home_.say({link_row(9, 2, "veth1", 0)});
  ASSERT_TRUE(read());
  const std::string bytes = at_home_.asked();
  ASSERT_GE(bytes.size(), sizeof(nlmsghdr) + sizeof(ifinfomsg));
  nlmsghdr head{};
  ifinfomsg which{};
  std::memcpy(&head, bytes.data(), sizeof head);
  std::memcpy(&which, bytes.data() + sizeof head, sizeof which);
  EXPECT_EQ(head.nlmsg_type, RTM_GETLINK);
  EXPECT_EQ(head.nlmsg_flags, NLM_F_REQUEST);
  EXPECT_EQ(which.ifi_index, 9);
  EXPECT_EQ(at_home_.asked(), "");
}

TEST_F(ReadInterfaces, AnInterfaceWithoutAPeerAsksNothingAtHome) {
  in_pod_.say({link_row(2, 0, "eth0"), done(RTM_GETLINK)});
  say_one_address();
  ASSERT_TRUE(read());
  EXPECT_EQ(pod_.ifindex, 2U);
  EXPECT_EQ(pod_.peer_ifindex, 0U);
  EXPECT_EQ(at_home_.asked(), "");
}

// The index may be one of a third namespace.
TEST_F(ReadInterfaces, APeerThatIsNotAtHomeOrIsAnothersIsNone) {
  for (const std::string& answer :
       {refusal(ENODEV), link_row(9, 3, "veth1", 0), link_row(9, 0, "lan", 0)}) {
    in_pod_.say({link_row(2, 9, "eth0"), done(RTM_GETLINK)});
    say_one_address();
    at_home_.say({answer});
    ASSERT_TRUE(read());
    EXPECT_EQ(pod_.peer_ifindex, 0U);
    EXPECT_EQ(pod_.address_count, 1U);
  }
}

TEST_F(ReadInterfaces, AnotherRefusalIsAnError) {
  in_pod_.say({link_row(2, 9, "eth0"), done(RTM_GETLINK)});
  at_home_.say({refusal(EPERM)});
  const auto outcome = read();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().reason, Reason::io_error);
  EXPECT_EQ(outcome.error().os_errno, EPERM);
}

}  // namespace
}  // namespace keelson::hold
