// GrpcClient: unary gRPC calls over one HTTP/2 connection on a Unix socket, for the few questions
// the agent has for a local daemon. Agent loop only. A connection that breaks, or an answer that
// does not come within the limit, fails every call on it; the client is then of no more use.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/block_pool.h"
#include "http/h2/session.h"
#include "io/connect.h"
#include "io/tcp_stream.h"
#include "io/timer.h"

namespace keelson::pods {

struct GrpcLimits {
  std::chrono::milliseconds answer{10'000};  // for all calls together, from the start
  size_t message_bytes_max = 16u << 20;      // as gRPC's own servers
};

class GrpcClient final : private h2::Sink, private io::StreamObserver {
 public:
  using OnAnswer = std::function<void(Result<std::string>)>;

  // Calls wait for the connection.
  GrpcClient(io::EventLoop& loop, std::string socket_path, GrpcLimits limits = {});
  ~GrpcClient();
  GrpcClient(const GrpcClient&) = delete;
  GrpcClient& operator=(const GrpcClient&) = delete;

  // `method`: "/package.Service/Method"; `message`: the request's bytes. Calls back once, later,
  // with the answer's bytes; not at all when destroyed before. A callback may call(), not destroy.
  void call(std::string_view method, std::string message, OnAnswer on_answer);

  // Whatever failed failed with the connection, not by its own answer or for want of one.
  bool is_lost() const noexcept { return broken_ && !is_late_; }

 private:
  struct Call {
    std::string method;
    std::string message;
    OnAnswer on_answer;
    std::string body;
    http::HeaderList trailers;  // or the headers of an answer without a body
  };

  void on_head(h2::StreamId stream, http::MessageHead head, http::EndOfMessage end) override;
  void on_body(h2::StreamId stream, std::span<const std::byte> bytes) override;
  void on_end(h2::StreamId stream, http::HeaderList trailers) override;
  void on_reset(h2::StreamId stream, h2::ErrorCode code) override;
  void on_closed(h2::StreamId) override {}
  void on_writable(h2::StreamId) override {}
  void on_goaway(h2::StreamId, h2::ErrorCode) override {}
  void on_ping_answered() override {}
  void on_readable() noexcept override { work_.start({}); }
  void on_writable() noexcept override { work_.start({}); }

  void on_connected(Result<io::Socket> socket);
  void work();
  Result<void> open_waiting();
  Result<void> exchange();
  Result<bool> read_some();  // false: nothing to read now
  Result<void> write_some();
  void finish(h2::StreamId stream, Result<std::string> answer);
  Result<std::string> answer_of(Call& call) const;
  void fail_all(const Error& error);
  bool deliver();  // true: something was

  const std::string socket_path_;
  const GrpcLimits limits_;
  io::EventLoop& loop_;
  BlockPool pool_;
  h2::Session session_;
  BufferChain input_;
  BufferChain output_;
  std::unique_ptr<io::Connect> connect_;
  std::unique_ptr<io::TcpStream> stream_;
  std::vector<Call> waiting_;
  std::map<h2::StreamId, Call> open_;
  std::vector<std::pair<OnAnswer, Result<std::string>>> finished_;
  std::optional<Error> broken_;
  bool is_late_ = false;
  io::Timer work_;
  io::Timer late_;
};

}  // namespace keelson::pods
