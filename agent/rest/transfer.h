// Transfer: one exchange with libcurl: its handle, its limits, and what arrived and nobody was told
// yet. libcurl's callbacks only fill it; CurlClient takes out of it once libcurl has returned. Heap
// only: libcurl keeps its address. Loop's thread.
#pragma once

#include <curl/curl.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "rest/client.h"
#include "rest/server.h"

namespace keelson::rest {

class Transfer {
 public:
  // Error: credentials_unusable (the token cannot be read).
  static Result<std::unique_ptr<Transfer>> make(const Server& server, const Clock& clock,
                                                Request request, OnAnswer on_answer);
  static Result<std::unique_ptr<Transfer>> make(const Server& server, const Clock& clock,
                                                StreamRequest request, StreamHandler handler);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  CURL* handle() const noexcept { return easy_; }
  void use_new_connection() noexcept;
  // libcurl is done with it, or it is given up.
  void end(CURLcode code);
  void end(Error error);
  bool is_idle_too_long() const noexcept;
  Error idle_error() const;

  // Delivers what waits, one callback a call; false: nothing waits. The last one is on_end.
  bool has_news() const noexcept { return is_open_news_ || !lines_.empty() || end_; }
  bool has_ended() const noexcept { return lines_.empty() && !is_open_news_ && end_; }
  // Of the next news, as a call that needs this object no longer.
  std::function<void()> take_news();

 private:
  Transfer(const Clock& clock, StreamHandler handler, bool is_stream);
  Result<void> prepare(const Server& server, const std::string& target, const std::string& accept,
                       const std::string& content_type);
  void trust(const Server& server);
  void address(const Server& server, const std::string& target);
  size_t on_body(std::string_view bytes);
  size_t on_header(std::string_view line);
  bool keep(std::string_view bytes);
  bool split_lines(std::string_view bytes);

  static size_t body_arrived(char* data, size_t size, size_t count, void* self);
  static size_t header_arrived(char* data, size_t size, size_t count, void* self);
  static int socket_made(void*, curl_socket_t socket, curlsocktype);

  const Clock& clock_;
  CURL* easy_;
  curl_slist* headers_ = nullptr;
  curl_slist* connect_to_ = nullptr;
  std::shared_ptr<const StreamHandler> handler_;
  const bool is_stream_;
  std::string what_;  // "GET https://10.0.0.1/api/v1/pods", for errors
  std::string request_body_;
  size_t bytes_max_ = 0;
  std::chrono::milliseconds idle_limit_{0};  // 0: none
  MonotonicTime last_byte_;
  char curl_error_[CURL_ERROR_SIZE] = {};
  bool is_too_large_ = false;
  bool is_success_ = false;  // status 2xx
  std::string buffer_;       // the body, or the line so far
  bool is_open_news_ = false;
  std::deque<std::string> lines_;
  std::optional<Result<Answer>> end_;
};

}  // namespace keelson::rest
