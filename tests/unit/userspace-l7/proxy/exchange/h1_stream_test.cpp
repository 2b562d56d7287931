#include "proxy/exchange/h1_stream.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "exchange/exchange_world.h"

namespace keelson::proxy {
namespace {

using http::BodyRead;
using http::EndOfMessage;
using test::MemoryStream;
using test::Pipe;

void put(Pipe& pipe, std::string_view text) {
  for (const char c : text) pipe.bytes.push_back(static_cast<std::byte>(c));
}

http::MessageHead request_head(std::string method = "GET") {
  http::MessageHead head;
  head.method = std::move(method);
  head.authority = "pay";
  head.target = "/";
  return head;
}

// One stream of each kind, their peers are pipes.
struct H1StreamTest : testing::Test {
  template <class Stream>
  Stream make() {
    auto bytes = std::make_unique<MemoryStream>(in, out);
    memory = bytes.get();
    return Stream(std::move(bytes), blocks, [this] { wakes++; });
  }
  ~H1StreamTest() override { release(); }
  void take_blocks(size_t left) {
    while (blocks.counts().in_use + left < blocks.blocks_max()) taken.push_back(blocks.acquire());
  }
  void release() {
    for (Block* block : std::exchange(taken, {})) BlockPool::release(*block);
  }
  // All that is there now.
  template <class Stream>
  std::string read_body(Stream& stream) {
    BufferChain body(blocks);
    for (;;) {
      const auto got = stream.read_body(body, kBlockBytes);
      EXPECT_TRUE(got) << got.error().message();
      if (!got || got->kind != BodyRead::Kind::kData) return body.to_string();
    }
  }
  // A client's stream behind one request and its answer.
  void exchange(H1ClientStream& stream) {
    ASSERT_TRUE(stream.write_head(request_head(), EndOfMessage::kYes));
    ASSERT_TRUE(stream.flush());
    put(*in, ok("done"));
    const auto head = stream.read_head();
    ASSERT_TRUE(head && *head);
    ASSERT_EQ(read_body(stream), "done");
  }

  BlockPool blocks{200};
  std::vector<Block*> taken;
  std::shared_ptr<Pipe> in = std::make_shared<Pipe>(), out = std::make_shared<Pipe>();
  MemoryStream* memory = nullptr;
  int wakes = 0;
};

TEST_F(H1StreamTest, IsQuietSeesAnEndThatNobodyHasTold) {
  auto stream = make<H1ClientStream>();
  exchange(stream);
  EXPECT_TRUE(stream.is_quiet());
  EXPECT_TRUE(stream.is_quiet()) << "as often as it is asked";
  in->is_ended = true;  // and no on_readable()
  EXPECT_FALSE(stream.is_quiet());
}

TEST_F(H1StreamTest, IsQuietSeesBytesAndResetsToo) {
  auto stream = make<H1ClientStream>();
  exchange(stream);
  EXPECT_TRUE(stream.is_quiet());
  put(*in, "H");
  EXPECT_FALSE(stream.is_quiet());
  in->bytes.clear();
  in->is_reset = true;
  EXPECT_FALSE(stream.is_quiet());
}

TEST_F(H1StreamTest, IsStarvedWithoutABufferAndThenGoesOn) {
  auto stream = make<H1ServerStream>();
  const std::string request = "POST / HTTP/1.1\r\nhost: pay\r\ncontent-length: 4\r\n\r\nbody";
  put(*in, request);
  take_blocks(0);
  auto head = stream.read_head();
  ASSERT_TRUE(head) << head.error().message();
  EXPECT_FALSE(*head);
  EXPECT_TRUE(stream.take_starved());
  EXPECT_EQ(stream.bytes_read(), 0u);
  release();
  head = stream.read_head();
  ASSERT_TRUE(head && *head);
  EXPECT_EQ(read_body(stream), "body");
  EXPECT_FALSE(stream.take_starved());
  EXPECT_EQ(stream.bytes_read(), request.size());
}

// The last block takes what is read; there is none for the body that is parsed out of it.
TEST_F(H1StreamTest, IsStarvedWithoutABufferForTheBodyAndThenGoesOn) {
  auto stream = make<H1ServerStream>();
  put(*in, "POST / HTTP/1.1\r\nhost: pay\r\ncontent-length: 4\r\n\r\nbody");
  take_blocks(1);
  auto head = stream.read_head();
  ASSERT_TRUE(head) << head.error().message();
  EXPECT_TRUE(stream.take_starved());
  release();
  if (!*head) head = stream.read_head();
  ASSERT_TRUE(head && *head);
  EXPECT_EQ(read_body(stream), "body");
}

TEST_F(H1StreamTest, HoldsABoundedAmountOfABodyThatNobodyReads) {
  auto stream = make<H1ServerStream>();
  put(*in,
      "POST / HTTP/1.1\r\nhost: pay\r\ncontent-length: 200000\r\n\r\n" + std::string(200000, 'x'));
  ASSERT_TRUE(stream.read_head());
  BufferChain body(blocks);
  ASSERT_TRUE(stream.read_body(body, 1));
  EXPECT_LE(stream.bytes_held(), kRelayBufferBytesMax + kBlockBytes);
  EXPECT_GT(in->bytes.size(), 200000 - kRelayBufferBytesMax - 2 * kBlockBytes);
}

TEST_F(H1StreamTest, SendsNothingMoreUntilTheStreamIsWritableAgain) {
  auto stream = make<H1ClientStream>();
  out->capacity = 10;
  ASSERT_TRUE(stream.write_head(request_head(), EndOfMessage::kYes));
  ASSERT_TRUE(stream.flush());
  EXPECT_TRUE(stream.has_unsent());
  EXPECT_EQ(take(*out), "GET / HTTP");
  ASSERT_TRUE(stream.flush());
  EXPECT_TRUE(out->bytes.empty()) << "nobody has said that it is writable";
  out->capacity = 1000;
  ASSERT_TRUE(memory->announce());
  EXPECT_EQ(wakes, 1);
  ASSERT_TRUE(stream.flush());
  EXPECT_FALSE(stream.has_unsent());
  EXPECT_FALSE(out->is_ended) << "a client's end would look like giving up";
  EXPECT_EQ(stream.bytes_written(), out->seen.size());
}

TEST_F(H1StreamTest, HoldsABoundedAmountForAPeerThatReadsInSmallSteps) {
  auto stream = make<H1ClientStream>();
  out->capacity = 1000;
  auto head = request_head("PUT");
  head.content_length = 1 << 30;
  ASSERT_TRUE(stream.write_head(head, EndOfMessage::kNo));
  for (int i = 0; i < 20; i++) {
    BufferChain body(blocks);
    for (int block = 0; block < 4; block++) {
      const auto space = body.reserve(kBlockBytes);
      body.commit(space.size());
    }
    ASSERT_TRUE(stream.write_body(body));
    EXPECT_LE(stream.bytes_held(), 2 * kHttpOutBytesMax) << i;
    take(*out);
    memory->announce();
    ASSERT_TRUE(stream.flush());
  }
}

TEST_F(H1StreamTest, EndsItsSideOnlyBehindTheLastByteOfTheLastAnswer) {
  auto stream = make<H1ServerStream>();
  put(*in, "GET / HTTP/1.1\r\nhost: pay\r\nconnection: close\r\n\r\n");
  const auto head = stream.read_head();
  ASSERT_TRUE(head && *head);
  http::MessageHead answer;
  answer.status = 200;
  out->capacity = 5;
  ASSERT_TRUE(stream.write_head(answer, EndOfMessage::kYes));
  ASSERT_TRUE(stream.flush());
  EXPECT_FALSE(out->is_ended);
  out->capacity = 1000;
  memory->announce();
  ASSERT_TRUE(stream.flush());
  EXPECT_TRUE(out->is_ended);
  EXPECT_FALSE(out->is_reset);
}

TEST_F(H1StreamTest, DropsInputUpToThePeersEnd) {
  auto stream = make<H1ServerStream>();
  put(*in, "not HTTP\r\n\r\n");
  ASSERT_FALSE(stream.read_head());
  ASSERT_TRUE(stream.codec().write_refusal(Reason::http_bad_message));
  put(*in, std::string(50000, 'x'));
  auto ended = stream.drain_input(1 << 20);
  ASSERT_TRUE(ended);
  EXPECT_FALSE(*ended);
  EXPECT_TRUE(in->bytes.empty());
  EXPECT_LT(stream.bytes_held(), 1000u);
  in->is_ended = true;
  memory->announce();
  ended = stream.drain_input(1 << 20);
  ASSERT_TRUE(ended);
  EXPECT_TRUE(*ended);
}

}  // namespace
}  // namespace keelson::proxy
