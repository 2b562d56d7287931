// HttpConnection: one client of an HttpServer: reads a request, asks the Handler, writes the
// answer, and only then reads on (pipelined requests are answered in order, one at a time).
// Bounded in everything: request bytes, bytes waiting to be written, time for a request, time for
// an answer to be taken. A stream is pulled only while its bytes go out; it has no time limit.
// Loop's thread only. work() is called by the HttpServer's turn, never from a stream's callback.
//
//   kReading -> [kAwaiting ->] kAnswering -> kReading | kClosing -> gone
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/block_pool.h"
#include "base/buffer_chain.h"
#include "base/ip_address.h"
#include "http/h1/parser.h"
#include "io/byte_stream.h"
#include "io/timer.h"
#include "serving/handler.h"

namespace keelson::serving {

struct HttpLimits {
  size_t connections_max = 64;                // each listener; more are closed at once, counted
  size_t connections_per_client_max = 0;      // of one address, TCP; 0: as many as all
  size_t head_bytes_max = 16384;              // more: 431
  size_t body_bytes_max = 0;                  // of a request with content-length; more: 413
  size_t output_bytes_max = 64u << 10;        // waiting to be written, one connection
  std::chrono::milliseconds request{10'000};  // from its first byte (or accept) to its last
  std::chrono::milliseconds idle{60'000};     // between requests
  std::chrono::milliseconds pending{30'000};  // for an answer that is not there at once
  std::chrono::milliseconds stalled{30'000};  // no byte of an answer was taken; streams: no limit
  std::chrono::milliseconds closing{1'000};   // for the client's end after ours
};

class HttpConnection final : public io::StreamObserver, private http::h1::Sink {
 public:
  // `schedule` asks for a work() in the loop's next turn; handler, pool and limits outlive it.
  HttpConnection(io::EventLoop& loop, std::unique_ptr<io::ByteStream> stream, Surface surface,
                 IpAddress client, Handler& handler, BlockPool& pool, const HttpLimits& limits,
                 std::function<void()> schedule);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // Does what can be done now. False: the connection is over, destroy it.
  bool work();

  Surface surface() const noexcept { return surface_; }
  const IpAddress& client() const noexcept { return client_; }  // the unspecified one: no TCP

 private:
  enum class State : uint8_t { kReading, kAwaiting, kAnswering, kClosing };

  void on_readable() noexcept override { schedule_(); }
  void on_writable() noexcept override { schedule_(); }
  void on_head(http::MessageHead& head, http::h1::BodyKind body) override;
  void on_body(std::span<const std::byte> bytes) override;
  void on_end(http::HeaderList& trailers) override;

  bool work_reading();
  bool work_awaiting();
  bool work_answering();
  bool work_closing();
  bool read_more(bool& progressed);
  bool feed();
  void answer();
  void refuse(int status, Reason reason);
  void begin(Response response);
  bool fill_output();
  bool append_line(const std::string& line);  // false: no memory
  bool finish_answer();
  bool watch_for_end();
  void set_deadline(std::chrono::milliseconds delay);

  const std::unique_ptr<io::ByteStream> stream_;
  const Surface surface_;
  const IpAddress client_;
  Handler& handler_;
  const HttpLimits& limits_;
  const std::function<void()> schedule_;
  State state_ = State::kReading;
  http::h1::Parser parser_;
  BufferChain input_;
  BufferChain output_;
  BufferChain chunk_;  // a stream's line on its way into a chunk; empty between calls
  http::MessageHead head_;
  bool has_head_ = false;
  bool refuses_body_ = false;
  std::string body_;
  bool in_request_ = false;  // a byte of the next request has come
  bool keep_alive_ = true;
  bool chunked_ = false;
  bool is_over_ = false;  // the client ended its side
  std::unique_ptr<PendingAnswer> pending_;
  Response response_;
  size_t body_sent_ = 0;
  bool body_done_ = true;
  io::Timer deadline_;
  bool is_late_ = false;
  size_t discarded_bytes_ = 0;
};

}  // namespace keelson::serving
