// Http1Connection: one request at a time (no pipelining), sent from the run's shared bytes. Nothing
// is allocated or copied for a request.
#pragma once

#include "connection.h"
#include "response_reader.h"

namespace keelson::load {

class Http1Connection final : public Connection {
 public:
  explicit Http1Connection(const Surroundings& surroundings) : Connection(surroundings) {}

 private:
  void reset() override;
  void begin(uint64_t since_ns) override;
  bool has_protocol_room() const override { return !is_begun_ && !is_last_; }
  bool take(std::string_view bytes) override;
  bool take_end() override;
  std::string_view output() override;
  void on_sent(size_t count) override { sent_bytes_ += count; }
  bool is_done() const override { return is_last_ && !ends_there_; }
  std::optional<uint64_t> unanswered() const override;
  void each_begun(const std::function<void(uint64_t)>& visit) const override;

  void on_complete();

  ResponseReader reader_;
  bool is_begun_ = false;    // a request is out
  bool is_last_ = false;     // no other may follow on this connection
  bool ends_there_ = false;  // the server said that it will close
  uint64_t since_ns_ = 0;
  size_t sent_bytes_ = 0;
};

}  // namespace keelson::load
