#include "link/hold_client.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <thread>

#include "link/seqpacket.h"

namespace keelson::link {
namespace {

HoldReply reply_to(const HoldRequest& request, Reason reason = Reason::none) {
  HoldReply reply{};
  reply.version = kHoldProtocolVersion;
  reply.op = request.op;
  reply.reason = static_cast<uint32_t>(reason);
  return reply;
}

// A server thread that lets a script answer each connection.
class ScriptedHold {
 public:
  ScriptedHold() {
    std::string folder = "/tmp/keelson-hold-XXXXXX";
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    path_ = folder + "/hold.sock";
    auto listener = listen_seqpacket(path_, 0600);
    EXPECT_TRUE(listener);
    listener_ = std::move(*listener);
  }
  ~ScriptedHold() {
    if (thread_.joinable()) thread_.join();
    ::unlink(path_.c_str());
    ::rmdir(path_.substr(0, path_.rfind('/')).c_str());
  }
  // `connections` scripts, each run for one connection, which closes when the script returns.
  void serve(std::vector<std::function<void(const Fd&)>> connections) {
    thread_ = std::thread([this, scripts = std::move(connections)] {
      for (const auto& script : scripts) {
        pollfd ready{listener_.get(), POLLIN, 0};
        if (::poll(&ready, 1, 5000) != 1) return;
        const auto socket = accept_seqpacket(listener_);
        if (socket) script(*socket);
      }
    });
  }
  static HoldRequest next(const Fd& socket) {
    pollfd ready{socket.get(), POLLIN, 0};
    ::poll(&ready, 1, 5000);
    HoldRequest request{};
    EXPECT_TRUE(receive_message(socket, std::as_writable_bytes(std::span(&request, 1))));
    return request;
  }
  static void answer(const Fd& socket, const HoldReply& reply, std::vector<int> fds = {}) {
    EXPECT_TRUE(send_message(socket, std::as_bytes(std::span(&reply, 1)), fds));
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  Fd listener_;
  std::thread thread_;
};

TEST(HoldClient, reports_hold_unreachable_when_nobody_listens) {
  HoldClient client("/tmp/keelson-no-such/hold.sock");
  const auto forgotten = client.forget("pod");
  ASSERT_FALSE(forgotten);
  EXPECT_EQ(forgotten.error().reason, Reason::hold_unreachable);
  EXPECT_TRUE(forgotten.error().retryable);
  EXPECT_EQ(client.connections(), 0U);
}

TEST(HoldClient, gives_up_after_its_time_limit_and_does_not_reuse_the_connection) {
  ScriptedHold hold;
  hold.serve({[](const Fd& socket) {
                ScriptedHold::next(socket);
                pollfd closed{socket.get(), POLLIN, 0};
                ::poll(&closed, 1, 5000);  // answers never; returns when the client hangs up
              },
              [](const Fd& socket) {
                ScriptedHold::answer(socket, reply_to(ScriptedHold::next(socket)));
              }});
  HoldClient client(hold.path(), std::chrono::milliseconds(50));
  const auto late = client.forget("pod");
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().reason, Reason::hold_unreachable);
  EXPECT_EQ(late.error().os_errno, ETIMEDOUT);
  const auto again = client.forget("pod");
  EXPECT_TRUE(again);
  EXPECT_EQ(client.connections(), 2U);
}

TEST(HoldClient, repeats_a_request_once_when_hold_was_restarted_in_between) {
  ScriptedHold hold;
  const auto once = [](const Fd& socket) {
    ScriptedHold::answer(socket, reply_to(ScriptedHold::next(socket)));
  };
  hold.serve({once, once});
  HoldClient client(hold.path());
  ASSERT_TRUE(client.forget("pod"));
  EXPECT_TRUE(client.forget("pod"));
  EXPECT_EQ(client.connections(), 2U);
}

TEST(HoldClient, hands_on_the_reason_of_a_refusal_and_keeps_the_connection) {
  ScriptedHold hold;
  hold.serve({[](const Fd& socket) {
    ScriptedHold::answer(socket, reply_to(ScriptedHold::next(socket), Reason::pod_unknown));
    ScriptedHold::answer(socket, reply_to(ScriptedHold::next(socket)));
  }});
  HoldClient client(hold.path());
  const auto refused = client.listeners("pod");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::pod_unknown);
  EXPECT_TRUE(client.forget("pod"));
  EXPECT_EQ(client.connections(), 1U);
}

TEST(HoldClient, places_listeners_by_the_mask_of_a_pod_without_ipv6) {
  ScriptedHold hold;
  hold.serve({[](const Fd& socket) {
    HoldReply reply = reply_to(ScriptedHold::next(socket));
    const Fd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    reply.fd_count = 3;
    reply.listener_mask = 0b111;
    ScriptedHold::answer(socket, reply, {file.get(), file.get(), file.get()});
  }});
  HoldClient client(hold.path());
  const auto listeners = client.listeners("pod");
  ASSERT_TRUE(listeners) << listeners.error().message();
  EXPECT_TRUE((*listeners)[KS_LISTENER_INDEX(0, KS_FAMILY_4, KS_ROLE_PLAIN)]);
  EXPECT_FALSE((*listeners)[KS_LISTENER_INDEX(0, KS_FAMILY_6, KS_ROLE_OUTBOUND)]);
}

TEST(HoldClient, refuses_an_answer_whose_fd_count_is_not_what_arrived) {
  ScriptedHold hold;
  hold.serve({[](const Fd& socket) {
    HoldReply reply = reply_to(ScriptedHold::next(socket));
    reply.fd_count = 1;
    ScriptedHold::answer(socket, reply);
  }});
  HoldClient client(hold.path());
  const auto fd = client.get("key");
  ASSERT_FALSE(fd);
  EXPECT_EQ(fd.error().reason, Reason::message_malformed);
}

TEST(HoldClient, refuses_a_key_that_does_not_fit_before_it_asks) {
  HoldClient client("/tmp/keelson-no-such/hold.sock");
  const auto stored = client.drop(std::string(kStoreKeyBytes, 'k'));
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().reason, Reason::bad_value);
}

}  // namespace
}  // namespace keelson::link
