#include "base/mailbox.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

namespace keelson {
namespace {

TEST(Mailbox, WakesOnceForSeveralMessagesAndKeepsTheirOrder) {
  int wakeups = 0;
  Mailbox<int> mailbox([&] { wakeups++; });
  for (int i = 0; i < 5; i++) ASSERT_TRUE(mailbox.push(int{i}));
  EXPECT_EQ(wakeups, 1);
  std::vector<int> seen;
  EXPECT_EQ(mailbox.drain([&](int&& n) { seen.push_back(n); }), 5u);
  EXPECT_EQ(seen, (std::vector<int>{0, 1, 2, 3, 4}));
  ASSERT_TRUE(mailbox.push(5));
  EXPECT_EQ(wakeups, 2);
}

TEST(Mailbox, RefusesAndCountsWhenFullAndLeavesTheMessageWithTheSender) {
  Mailbox<std::unique_ptr<int>> mailbox([] {}, 1);
  ASSERT_TRUE(mailbox.push(std::make_unique<int>(1)));
  auto second = std::make_unique<int>(2);
  EXPECT_FALSE(mailbox.push(std::move(second)));
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(*second, 2);
  EXPECT_EQ(mailbox.refused(), 1u);
}

TEST(Mailbox, RefusesWhenClosedButStillGivesOutWhatItHas) {
  Mailbox<int> mailbox([] {});
  ASSERT_TRUE(mailbox.push(1));
  mailbox.close();
  EXPECT_FALSE(mailbox.push(2));
  EXPECT_EQ(mailbox.drain([](int&&) {}), 1u);
}

TEST(Mailbox, LetsTheHandlerPushAgain) {
  Mailbox<int> mailbox([] {});
  ASSERT_TRUE(mailbox.push(1));
  EXPECT_EQ(mailbox.drain([&](int&& n) { EXPECT_TRUE(mailbox.push(n + 1)); }), 1u);
  EXPECT_EQ(mailbox.drain([&](int&& n) { EXPECT_EQ(n, 2); }), 1u);
}

TEST(Mailbox, LosesNothingBetweenThreads) {
  constexpr int kSenders = 4;
  constexpr int kEach = 500;
  Mailbox<int> mailbox([] {}, 64);
  std::vector<std::thread> senders;
  for (int sender = 0; sender < kSenders; sender++)
    senders.emplace_back([&mailbox, sender] {
      for (int i = 0; i < kEach; i++)
        while (!mailbox.push(sender * kEach + i)) std::this_thread::yield();
    });
  std::array<int, kSenders> next{};
  int received = 0;
  while (received < kSenders * kEach)
    mailbox.drain([&](int&& n) {
      const auto sender = static_cast<size_t>(n / kEach);
      EXPECT_EQ(n % kEach, next[sender]++) << "in order for each sender";
      received++;
    });
  for (auto& sender : senders) sender.join();
  EXPECT_EQ(received, kSenders * kEach);
}

}  // namespace
}  // namespace keelson
