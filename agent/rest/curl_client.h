// CurlClient: Client by libcurl's multi interface on an EventLoop: HTTP/2 with all calls on one
// connection where the server offers it, else HTTP/1.1. Nothing is handed out while libcurl is on
// the stack; what arrived is delivered when it has returned, before the loop reads more, so that a
// slow receiver is felt by the server as TCP's back-pressure. A server that vanishes is noticed by
// TCP keepalive, a silent stream by its idle limit (and the next call then takes a new connection).
// Loop's thread; must outlive its Calls.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>

#include "base/clock.h"
#include "io/event_loop.h"
#include "io/poll.h"
#include "io/timer.h"
#include "rest/client.h"
#include "rest/server.h"
#include "rest/transfer.h"

namespace keelson::rest {

class CurlClient final : public Client {
 public:
  CurlClient(io::EventLoop& loop, const Clock& clock, Server server);
  ~CurlClient() override;
  CurlClient(const CurlClient&) = delete;
  CurlClient& operator=(const CurlClient&) = delete;

  std::unique_ptr<Call> send(Request request, OnAnswer on_answer) override;
  std::unique_ptr<Call> open_stream(StreamRequest request, StreamHandler handler) override;

 private:
  class CurlCall;
  using Id = uint64_t;

  std::unique_ptr<Call> begin(Result<std::unique_ptr<Transfer>> transfer, OnAnswer on_refused);
  void cancel(Id id);
  void act(curl_socket_t socket, int ready);
  void collect_ended();
  void deliver();
  void check_idle();
  void watch(curl_socket_t socket, int wanted);

  static int socket_wanted(CURL*, curl_socket_t socket, int wanted, void* self, void*);
  static int timer_wanted(CURLM*, long delay_ms, void* self);

  io::EventLoop& loop_;
  const Clock& clock_;
  const Server server_;
  CURLM* multi_;
  std::map<curl_socket_t, io::Poll> polls_;
  std::map<Id, std::unique_ptr<Transfer>> transfers_;
  std::map<Id, std::function<void()>> refused_;  // calls that could not begin
  Id next_id_ = 1;
  bool is_delivering_ = false;
  bool is_distrusted_ = false;  // the connection: a stream on it went silent
  io::Timer curl_timer_, idle_timer_, refused_timer_;
};

}  // namespace keelson::rest
