// Who may ask what, and how the server meets messages that are not requests.
#include "hold/server.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <span>
#include <thread>

#include "link/memfd.h"
#include "link/seqpacket.h"

namespace keelson::hold {
namespace {

using link::HoldOp;
using link::HoldReply;
using link::HoldRequest;

constexpr uid_t kStranger = 1234;

TEST(MayAsk, TheAgentRegistersAndStoresTheProxyGetsSocketsBothRead) {
  for (const HoldOp op : {HoldOp::kTagMap, HoldOp::kRegister, HoldOp::kForget, HoldOp::kAdopt,
                          HoldOp::kPut, HoldOp::kDrop}) {
    EXPECT_TRUE(may_ask(link::kAgentUid, {}, op));
    EXPECT_FALSE(may_ask(link::kProxyUid, {}, op));
  }
  for (const HoldOp op : {HoldOp::kListeners, HoldOp::kGet, HoldOp::kList}) {
    EXPECT_TRUE(may_ask(link::kAgentUid, {}, op));
    EXPECT_TRUE(may_ask(link::kProxyUid, {}, op));
  }
  EXPECT_FALSE(may_ask(link::kAgentUid, {}, HoldOp::kSockets));
  EXPECT_TRUE(may_ask(link::kProxyUid, {}, HoldOp::kSockets));
}

TEST(MayAsk, AnybodyElseMayAskNothingUnlessNamedAsAProxy) {
  for (uint32_t op = 0; op < 20; ++op)
    EXPECT_FALSE(may_ask(kStranger, {}, static_cast<HoldOp>(op))) << op;
  EXPECT_TRUE(may_ask(kStranger, kStranger, HoldOp::kSockets));
  EXPECT_FALSE(may_ask(kStranger, kStranger, HoldOp::kRegister));
}

// A server on a thread of its own; the test's user counts as a proxy.
class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    auto opened = Server::open({folder_, ::getuid()});
    ASSERT_TRUE(opened) << opened.error().message();
    thread_ = std::thread(
        [this, server = std::move(*opened)]() mutable { EXPECT_TRUE(server.run(stop_)); });
  }
  void TearDown() override {
    ::eventfd_write(stop_.get(), 1);
    if (thread_.joinable()) thread_.join();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Fd connect() {
    auto socket = link::connect_seqpacket(folder_ + "/hold.sock");
    EXPECT_TRUE(socket);
    return socket ? std::move(*socket) : Fd();
  }
  static std::vector<std::byte> bytes_of(const HoldRequest& request, size_t count) {
    std::vector<std::byte> bytes(count, std::byte{0});
    std::memcpy(bytes.data(), &request, std::min(count, sizeof request));
    return bytes;
  }
  // The answer's reason; none() when the server hung up instead.
  static std::optional<Reason> exchange(const Fd& socket, const std::vector<std::byte>& bytes,
                                        std::span<const int> fds = {}) {
    EXPECT_TRUE(link::send_message(socket, bytes, fds));
    return next_answer(socket);
  }
  static std::optional<Reason> next_answer(const Fd& socket) {
    HoldReply reply{};
    const auto got = link::receive_message(socket, std::as_writable_bytes(std::span(&reply, 1)));
    if (!got || got->bytes != sizeof reply) return {};
    EXPECT_EQ(reply.version, link::kHoldProtocolVersion);
    EXPECT_EQ(reply.fd_count, got->fds.size());
    return static_cast<Reason>(reply.reason);
  }
  static HoldRequest list(uint32_t version = link::kHoldProtocolVersion) {
    HoldRequest request{};
    request.version = version;
    request.op = HoldOp::kList;
    return request;
  }

  std::string folder_ = "/tmp/keelson-hold-unit-XXXXXX";
  Fd stop_{::eventfd(0, EFD_CLOEXEC)};
  std::thread thread_;
};

TEST_F(ServerTest, AMessageOfAnotherSizeOrVersionIsAnsweredAndItsSenderDisconnected) {
  const size_t whole = sizeof(HoldRequest);
  const std::vector<std::byte> malformed[] = {bytes_of(list(), 1), bytes_of(list(), whole - 1),
                                              bytes_of(list(), whole + 1),
                                              bytes_of(list(99), whole)};
  for (const auto& bytes : malformed) {
    const Fd socket = connect();
    EXPECT_EQ(exchange(socket, bytes), Reason::message_malformed) << bytes.size();
    EXPECT_FALSE(next_answer(socket)) << "still connected";
  }
  const Fd socket = connect();
  EXPECT_EQ(exchange(socket, bytes_of(list(), whole)), Reason::not_found) << "no pod yet";
}

TEST_F(ServerTest, ARefusedRequestDoesNotEndTheConnection) {
  const Fd socket = connect();
  HoldRequest request = list();
  request.op = HoldOp::kListeners;
  std::strcpy(request.pod, "pod-x");
  EXPECT_EQ(exchange(socket, bytes_of(request, sizeof request)), Reason::pod_unknown);
  EXPECT_EQ(exchange(socket, bytes_of(list(), sizeof request)), Reason::not_found);
}

TEST_F(ServerTest, WhatOnlyTheAgentMayAskNeedsItsUser) {
  const Fd socket = connect();
  HoldRequest request = list();
  request.op = HoldOp::kPut;
  std::strcpy(request.store_key, "a");
  auto memfd = link::make_sealed_memfd("test", "x");
  ASSERT_TRUE(memfd);
  const int fds[] = {memfd->get()};
  EXPECT_EQ(exchange(socket, bytes_of(request, sizeof request), fds),
            ::getuid() == link::kAgentUid ? Reason::none : Reason::caller_not_allowed);
}

TEST_F(ServerTest, RequestsSentInARowAreAnsweredInOrder) {
  const Fd socket = connect();
  HoldRequest get = list();
  get.op = HoldOp::kGet;  // without a key
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(link::send_message(socket, bytes_of(list(), sizeof get)));
    ASSERT_TRUE(link::send_message(socket, bytes_of(get, sizeof get)));
  }
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(next_answer(socket), Reason::not_found);
    EXPECT_EQ(next_answer(socket), Reason::message_malformed);
  }
}

TEST_F(ServerTest, ASecondServerOnTheSameSocketRefusesToOpen) {
  const auto second = Server::open({folder_, {}});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, Reason::bad_usage);
}

TEST_F(ServerTest, AtItsEndNoSocketIsLeft) {
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/hold.sock"));
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

}  // namespace
}  // namespace keelson::hold
