// Http2Connection: up to --streams requests at once over nghttp2, as many as the server allows.
// Windows are large, so that the client is not what slows a body down. A server's GOAWAY ends it
// in good order once the requests under way have their answers.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <vector>

#include "connection.h"

namespace keelson::load {

class Http2Connection final : public Connection {
 public:
  explicit Http2Connection(const Surroundings& surroundings);

 private:
  struct Stream {
    uint64_t since_ns = 0;
    uint64_t body_left = 0;
    uint16_t status = 0;
    bool is_begun = false;
  };
  struct Callbacks;  // nghttp2's view of this class
  struct SessionFreer {
    void operator()(nghttp2_session* session) const noexcept { nghttp2_session_del(session); }
  };

  void reset() override;
  void begin(uint64_t since_ns) override;
  bool has_protocol_room() const override;
  bool take(std::string_view bytes) override;
  bool take_end() override { return is_last_ && begun_count_ == 0; }
  std::string_view output() override;
  void on_sent(size_t count) override { out_sent_ += count; }
  bool is_done() const override;
  void each_begun(const std::function<void(uint64_t)>& visit) const override;

  void on_stream_end(Stream& stream, uint32_t error_code);

  std::unique_ptr<nghttp2_session, SessionFreer> session_;
  std::vector<nghttp2_nv> fields_;
  std::vector<Stream> streams_;  // fixed places
  size_t begun_count_ = 0;
  size_t streams_max_ = 0;  // ours and the server's limit
  bool is_last_ = false;    // no other request may follow on this connection
  std::string out_;         // taken from nghttp2, sent up to out_sent_
  size_t out_sent_ = 0;
};

}  // namespace keelson::load
