#include "proxy/exchange/body_pump.h"

#include <gtest/gtest.h>

#include <deque>

namespace keelson::proxy {
namespace {

using http::BodyRead;
using State = BodyPump::State;

// Both ends of a pump: gives `parts` and then its end, takes up to `room` bytes.
struct FakeStream final : http::HttpStream {
  Result<std::optional<http::MessageHead>> read_head() override {
    return std::optional<http::MessageHead>();
  }
  Result<BodyRead> read_body(BufferChain& into, size_t bytes_max) override {
    if (is_broken) return fail(Reason::http_truncated, ErrorSource::kDownstream, "");
    if (parts.empty())
      return BodyRead{has_end ? BodyRead::Kind::kEnd : BodyRead::Kind::kWouldBlock, 0};
    const std::string part = parts.front().substr(0, bytes_max);
    parts.front().erase(0, part.size());
    if (parts.front().empty()) parts.pop_front();
    EXPECT_TRUE(into.append(part));
    return BodyRead{BodyRead::Kind::kData, part.size()};
  }
  const http::HeaderList& trailers() const noexcept override { return own_trailers; }
  Result<void> write_head(const http::MessageHead&, http::EndOfMessage) override { return {}; }
  Result<size_t> write_body(BufferChain& body) override {
    if (failure != Reason::none) return fail(failure, ErrorSource::kInternal, "");
    const size_t bytes = std::min(room, body.size());
    taken += body.to_string().substr(0, bytes);
    body.consume(bytes);
    room -= bytes;
    return bytes;
  }
  Result<void> write_end(const http::HeaderList* trailers) override {
    if (failure != Reason::none) return fail(failure, ErrorSource::kInternal, "");
    ends++;
    if (trailers != nullptr) own_trailers = *trailers;
    return {};
  }
  void cancel(Reason) noexcept override {}

  std::deque<std::string> parts;
  http::HeaderList own_trailers;
  std::string taken;
  size_t room = SIZE_MAX;
  int ends = 0;
  bool has_end = false;
  bool is_broken = false;
  Reason failure = Reason::none;
};

struct BodyPumpTest : testing::Test {
  State pump(size_t bytes_max = 1 << 20) { return subject.pump(source, sink, bytes_max); }

  BlockPool blocks;
  FakeStream source, sink;
  BodyPump subject{blocks};
};

TEST_F(BodyPumpTest, PassesTheBodyItsEndAndItsTrailersOnce) {
  source.parts = {"one ", "two"};
  EXPECT_EQ(pump(), State::kWaiting);
  EXPECT_EQ(sink.taken, "one two");
  source.has_end = true;
  source.own_trailers.add("x-check", "done");
  EXPECT_EQ(pump(), State::kEnded);
  EXPECT_EQ(sink.ends, 1);
  EXPECT_EQ(sink.own_trailers.first("x-check"), "done");
  EXPECT_EQ(subject.bytes(), 7u);
  EXPECT_EQ(subject.bytes_held(), 0u);
}

TEST_F(BodyPumpTest, IsStarvedAndNotFailedWhenTheSinkHasNoBuffers) {
  source.parts = {"body"};
  source.has_end = true;
  sink.failure = Reason::buffer_pool_empty;
  EXPECT_EQ(pump(), State::kWaiting);
  EXPECT_TRUE(subject.take_starved());
  EXPECT_FALSE(subject.take_starved()) << "told once";
  EXPECT_EQ(subject.bytes(), 0u);
  EXPECT_EQ(sink.ends, 0);
  sink.failure = Reason::none;
  EXPECT_EQ(pump(), State::kEnded);
  EXPECT_FALSE(subject.take_starved());
  EXPECT_EQ(sink.taken, "body");
  EXPECT_EQ(subject.bytes(), 4u);
}

TEST_F(BodyPumpTest, IsStarvedAndNotFailedWhenTheSinkHasNoBufferForTheEnd) {
  source.has_end = true;
  sink.failure = Reason::buffer_pool_empty;
  EXPECT_EQ(pump(), State::kWaiting);
  EXPECT_TRUE(subject.take_starved());
  EXPECT_FALSE(subject.is_ended());
  sink.failure = Reason::none;
  EXPECT_EQ(pump(), State::kEnded);
  EXPECT_EQ(sink.ends, 1);
}

TEST_F(BodyPumpTest, ReadsNoMoreThanItsBufferForASinkThatTakesNothing) {
  source.parts = {std::string(3 * kRelayBufferBytesMax, 'x')};
  sink.room = 5;
  EXPECT_EQ(pump(), State::kWaiting);
  EXPECT_EQ(pump(), State::kWaiting);
  EXPECT_EQ(sink.taken.size(), 5u);
  EXPECT_LE(subject.bytes_held(), kRelayBufferBytesMax);
  sink.room = SIZE_MAX;
  EXPECT_EQ(pump(), State::kWaiting);
  EXPECT_EQ(sink.taken.size(), 3 * kRelayBufferBytesMax);
}

TEST_F(BodyPumpTest, StopsWhereItsBudgetIsSpent) {
  source.parts = {std::string(3 * kRelayBufferBytesMax, 'x')};
  EXPECT_EQ(pump(1000), State::kMore);
  EXPECT_LT(sink.taken.size(), 3 * kRelayBufferBytesMax);
}

TEST_F(BodyPumpTest, TellsWhichSideFailed) {
  source.parts = {"body"};
  sink.failure = Reason::io_error;
  EXPECT_EQ(pump(), State::kSinkFailed);
  EXPECT_EQ(subject.error().reason, Reason::io_error);
  EXPECT_EQ(subject.bytes_held(), 0u);
  BodyPump other(blocks);
  source.is_broken = true;
  EXPECT_EQ(other.pump(source, sink, 100), State::kSourceFailed);
  EXPECT_EQ(other.error().reason, Reason::http_truncated);
}

TEST_F(BodyPumpTest, DropsWhatNobodyTakesAndCountsItNot) {
  source.parts = {std::string(100000, 'x')};
  EXPECT_EQ(subject.discard(source, 1 << 20), State::kWaiting);
  source.has_end = true;
  EXPECT_EQ(subject.discard(source, 1 << 20), State::kEnded);
  EXPECT_EQ(subject.bytes(), 0u);
  EXPECT_EQ(subject.bytes_held(), 0u);
}

}  // namespace
}  // namespace keelson::proxy
