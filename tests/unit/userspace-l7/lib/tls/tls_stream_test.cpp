// Bytes, ends and errors of an established stream.
#include "tls/tls_stream.h"

#include <gtest/gtest.h>

#include "tls_peers.h"

namespace keelson::tls {
namespace {

using test::spiffe_id;

std::string pattern(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>((i * 131 + i / 251) & 0xff);
  return text;
}

class TlsStreamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    peers_.begin(mesh_.material("shop", "cart"), mesh_.material("pay", "till"),
                 {spiffe_id("pay", "till")});
    peers_.run();
    ASSERT_TRUE(peers_.client.stream->is_established());
    ASSERT_TRUE(peers_.server.stream->is_established());
  }
  void expect_no_error() {
    ASSERT_FALSE(peers_.client.error) << peers_.client.error->message();
    ASSERT_FALSE(peers_.server.error) << peers_.server.error->message();
  }

  const test::TestMesh mesh_;
  InlineSigner signer_;
  test::TlsPeers peers_{signer_};
};

TEST_F(TlsStreamTest, CarriesBytesBothWaysWithEveryFragmentSize) {
  const std::string text = pattern(40000);
  std::string sent;
  for (const size_t bytes : {1, 2, 5, 7, 1000, 16384, 100000}) {
    peers_.fragment(bytes);
    peers_.client.write(text);
    peers_.server.write(text);
    peers_.run();
    sent += text;
    expect_no_error();
    ASSERT_EQ(peers_.server.received, sent) << bytes;
    ASSERT_EQ(peers_.client.received, sent) << bytes;
  }
}

TEST_F(TlsStreamTest, ReadsWithSmallBuffersLoseNothing) {
  peers_.server.read_bytes = 3;
  const std::string text = pattern(50000);
  peers_.client.write(text);
  peers_.run();
  expect_no_error();
  EXPECT_EQ(peers_.server.received, text);
}

TEST_F(TlsStreamTest, BigTransferPassesANarrowPipe) {
  peers_.to_server->capacity = 10000;
  peers_.to_client->capacity = 777;
  const std::string text = pattern(3 << 20);
  peers_.client.write(text);
  peers_.server.write(text);
  peers_.run();
  expect_no_error();
  EXPECT_EQ(peers_.server.received.size(), text.size());
  EXPECT_TRUE(peers_.server.received == text);
  EXPECT_TRUE(peers_.client.received == text);
  EXPECT_GT(peers_.client.writable_calls, 0U);
}

TEST_F(TlsStreamTest, ASlowReaderStopsTheWriterAndBoundsMemory) {
  peers_.server.is_reading = false;
  const size_t total = 4 << 20;
  peers_.client.write(pattern(total));
  peers_.run();
  expect_no_error();
  const size_t taken = total - peers_.client.to_write.size();
  // The pipe, the stream's own backlog and one record; nothing else may have grown.
  EXPECT_LE(taken, peers_.to_server->capacity + TlsStream::kCipherBytesHigh + 16384);
  EXPECT_GE(taken, peers_.to_server->capacity / 2);
  peers_.server.is_reading = true;
  peers_.run();
  expect_no_error();
  EXPECT_EQ(peers_.server.received.size(), total);
}

TEST_F(TlsStreamTest, WhatWriteTookLeavesWithoutTheCallersHelp) {
  peers_.to_server->capacity = 100;
  const std::string text = pattern(20000);
  peers_.client.write(text);
  peers_.client.work();
  ASSERT_TRUE(peers_.client.to_write.empty());
  const size_t calls = peers_.client.writable_calls;
  while (peers_.server.work() || peers_.server_lower->announce() ||
         peers_.client_lower->announce()) {
  }
  EXPECT_EQ(peers_.server.received, text);
  EXPECT_EQ(peers_.client.writable_calls, calls);  // it waited for nothing, so it is told nothing
}

TEST_F(TlsStreamTest, HalfCloseOfTheClientLeavesTheOtherDirectionOpen) {
  peers_.client.write("question");
  peers_.client.is_ending = true;
  peers_.run();
  expect_no_error();
  EXPECT_EQ(peers_.server.received, "question");
  EXPECT_TRUE(peers_.server.is_eof);
  EXPECT_FALSE(peers_.client.is_eof);
  const std::string answer = pattern(100000);
  peers_.server.write(answer);
  peers_.run();
  expect_no_error();
  EXPECT_TRUE(peers_.client.received == answer);
  peers_.server.is_ending = true;
  peers_.run();
  expect_no_error();
  EXPECT_TRUE(peers_.client.is_eof);
}

TEST_F(TlsStreamTest, HalfCloseOfTheServerLeavesTheOtherDirectionOpen) {
  peers_.server.is_ending = true;
  peers_.run();
  expect_no_error();
  EXPECT_TRUE(peers_.client.is_eof);
  peers_.client.write("still here");
  peers_.client.is_ending = true;
  peers_.run();
  expect_no_error();
  EXPECT_EQ(peers_.server.received, "still here");
  EXPECT_TRUE(peers_.server.is_eof);
}

TEST_F(TlsStreamTest, HalfCloseComesAfterEverythingThatWasWrittenThroughANarrowPipe) {
  peers_.to_server->capacity = 50;
  const std::string text = pattern(100000);
  peers_.client.write(text);
  peers_.client.is_ending = true;
  peers_.run();
  expect_no_error();
  EXPECT_TRUE(peers_.server.received == text);
  EXPECT_TRUE(peers_.server.is_eof);
  EXPECT_TRUE(peers_.to_server->is_ended);
}

TEST_F(TlsStreamTest, BothEndsMakeTheLowerStreamCloseInGoodOrder) {
  peers_.client.is_ending = true;
  peers_.server.is_ending = true;
  peers_.run();
  ASSERT_TRUE(peers_.client.is_eof && peers_.server.is_eof);
  peers_.client.stream.reset();
  peers_.server.stream.reset();
  EXPECT_FALSE(peers_.to_server->is_reset);
  EXPECT_FALSE(peers_.to_client->is_reset);
}

TEST_F(TlsStreamTest, DestroyedBeforeBothEndsItResets) {
  peers_.client.is_ending = true;
  peers_.run();
  peers_.client.stream.reset();
  EXPECT_TRUE(peers_.to_server->is_reset);
}

TEST_F(TlsStreamTest, AnEndWithoutCloseNotifyIsTruncationNotEof) {
  peers_.client.write("half a mess");
  peers_.run();
  peers_.to_server->is_ended = true;
  peers_.run();
  EXPECT_EQ(peers_.server.received, "half a mess");
  EXPECT_FALSE(peers_.server.is_eof);
  ASSERT_TRUE(peers_.server.error);
  EXPECT_EQ(peers_.server.error->reason, Reason::tls_truncated);
}

TEST_F(TlsStreamTest, BytesBeforeATruncationAreDeliveredFirst) {
  peers_.client.write("all of this");
  peers_.client.work();
  peers_.to_server->is_ended = true;
  peers_.run();
  EXPECT_EQ(peers_.server.received, "all of this");
  ASSERT_TRUE(peers_.server.error);
  EXPECT_EQ(peers_.server.error->reason, Reason::tls_truncated);
}

TEST_F(TlsStreamTest, AnEndInsideARecordIsTruncation) {
  peers_.client.write(pattern(10000));
  peers_.client.work();
  peers_.to_server->bytes.resize(5000);
  peers_.to_server->is_ended = true;
  peers_.run();
  EXPECT_TRUE(peers_.server.received.empty());
  ASSERT_TRUE(peers_.server.error);
  EXPECT_EQ(peers_.server.error->reason, Reason::tls_truncated);
}

TEST_F(TlsStreamTest, AForgedByteEndsTheStreamAndDeliversNothing) {
  peers_.client.write(pattern(1000));
  peers_.client.work();
  peers_.to_server->bytes[500] ^= std::byte{1};
  peers_.run();
  EXPECT_TRUE(peers_.server.received.empty());
  ASSERT_TRUE(peers_.server.error);
  EXPECT_EQ(peers_.server.error->reason, Reason::tls_protocol_error);
  ASSERT_TRUE(peers_.client.error);
  EXPECT_EQ(peers_.client.error->reason, Reason::tls_alert_received);
}

TEST_F(TlsStreamTest, AReplayedRecordEndsTheStream) {
  peers_.client.write("pay 5");
  peers_.client.work();
  const std::deque<std::byte> record = peers_.to_server->bytes;
  peers_.run();
  peers_.to_server->bytes = record;
  peers_.run();
  EXPECT_EQ(peers_.server.received, "pay 5");
  ASSERT_TRUE(peers_.server.error);
  EXPECT_EQ(peers_.server.error->reason, Reason::tls_protocol_error);
}

TEST_F(TlsStreamTest, ResetOfThePeerIsAnError) {
  peers_.client.stream->reset(Reason::policy_denied);
  EXPECT_TRUE(peers_.to_server->is_reset);
  peers_.client.stream.reset();
  peers_.run();
  ASSERT_TRUE(peers_.server.error);
  EXPECT_EQ(peers_.server.error->reason, Reason::io_error);
  EXPECT_FALSE(peers_.server.is_eof);
}

TEST_F(TlsStreamTest, AnEmptyPoolEndsTheStreamWithItsReason) {
  BlockPool tiny(2);
  test::TlsPeers peers(signer_);
  auto context = TlsContext::make(mesh_.material("pay", "till"));
  auto client_context = TlsContext::make(mesh_.material("shop", "cart"));
  ASSERT_TRUE(context && client_context);
  auto end = std::make_unique<test::MemoryStream>(peers.to_client, peers.to_server);
  peers.begin_with(*client_context, *context, {spiffe_id("pay", "till")});
  peers.client_lower = end.get();
  auto small = TlsStream::connect({*client_context, std::move(end), tiny, signer_},
                                  {spiffe_id("pay", "till")});
  ASSERT_TRUE(small);
  peers.client.take(std::move(*small));
  // begin_with()'s client was destroyed unused; undo the end that left in the pipe.
  *peers.to_server = test::Pipe();
  peers.run();
  ASSERT_FALSE(peers.client.error) << peers.client.error->message();
  peers.to_server->capacity = 0;
  peers.client.write(pattern(100000));
  peers.run();
  ASSERT_TRUE(peers.client.error);
  EXPECT_EQ(peers.client.error->reason, Reason::buffer_pool_empty);
}

TEST_F(TlsStreamTest, AnIdleStreamHoldsNoBlock) {
  peers_.client.write(pattern(100000));
  peers_.run();
  EXPECT_EQ(peers_.pool.counts().in_use, 0U);
}

}  // namespace
}  // namespace keelson::tls
