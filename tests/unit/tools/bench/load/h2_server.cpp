#include "h2_server.h"

#include <cstdlib>
#include <limits>

#include "http/h2/session.h"

namespace keelson::load::test {
namespace {

class Answers final : public h2::Sink {
 public:
  explicit Answers(BlockPool& pool) : pool_(pool) {}

  void on_head(h2::StreamId stream, http::MessageHead, http::EndOfMessage) override {
    http::MessageHead head;
    head.status = 200;
    BufferChain body(pool_);
    if (!body.append(std::as_bytes(std::span("abc", 3))) ||
        !session->respond(stream, head, http::EndOfMessage::kNo) ||
        !session->write_body(stream, body) || !session->write_end(stream))
      std::abort();
    answered++;
  }
  void on_body(h2::StreamId, std::span<const std::byte>) override {}
  void on_end(h2::StreamId, http::HeaderList) override {}
  void on_reset(h2::StreamId, h2::ErrorCode) override {}
  void on_closed(h2::StreamId) override {}
  void on_writable(h2::StreamId) override {}
  void on_goaway(h2::StreamId, h2::ErrorCode) override {}
  void on_ping_answered() override {}

  h2::Session* session = nullptr;
  int answered = 0;

 private:
  BlockPool& pool_;
};

bool send_all(h2::Session& session, BlockPool& pool, Channel& channel) {
  while (session.wants_write()) {
    BufferChain out(pool);
    if (!session.drain(out, 64u << 10) || out.empty()) return false;
    if (!channel.write(out.to_string())) return false;
  }
  return true;
}

}  // namespace

void serve_http2(Channel& channel) {
  serve_http2_until_goaway(channel, std::numeric_limits<int>::max(), 0);
}

void serve_http2_until_goaway(Channel& channel, int answers_max, uint32_t code) {
  BlockPool pool;
  Answers answers(pool);
  h2::Session session(h2::Role::kServer, h2::Settings{}, pool, answers);
  answers.session = &session;
  bool has_said = false;
  while (send_all(session, pool, channel)) {
    const std::string bytes = channel.read();
    if (bytes.empty() || !session.feed(std::as_bytes(std::span(bytes)))) return;
    if (answers.answered < answers_max || has_said) continue;
    if (code == 0)
      session.finish_goaway();
    else
      session.goaway(static_cast<h2::ErrorCode>(code));
    has_said = true;
  }
}

}  // namespace keelson::load::test
