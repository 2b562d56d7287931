// Client: the seam through which the agent makes HTTP calls to one server: requests with a whole,
// bounded answer, and streams that bring one line at a time. Everything is called on the loop's
// thread, never from within a call to the client, so that a callback may start and cancel calls as
// it likes. A Call ends when it is destroyed: nobody is called afterwards. Knows nothing of
// Kubernetes. CurlClient is the real one; tests use tests/support/fake_rest.h.
//
// Errors: cannot_reach, connect_timeout, tls_handshake_failed, certificate_untrusted,
// http_truncated (the connection broke), server_silent, server_answer_too_large,
// credentials_unusable. An answer of any status is no error here.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"

namespace keelson::rest {

inline constexpr size_t kAnswerBytesMax = 16u << 20;
inline constexpr size_t kLineBytesMax = 8u << 20;
// Readable behind the end of a body or line, so that a JSON parser needs no copy of it.
inline constexpr size_t kPaddingBytes = 64;

struct Request {
  std::string method = "GET";
  std::string target;  // "/path?query"
  std::string accept = "application/json";
  std::string content_type;  // of the body
  std::string body;
  size_t answer_bytes_max = kAnswerBytesMax;     // more: server_answer_too_large
  std::chrono::milliseconds time_limit{60'000};  // from start to last byte
};

struct StreamRequest {
  std::string target;
  std::string accept = "application/json";
  size_t line_bytes_max = kLineBytesMax;         // more: server_answer_too_large
  std::chrono::milliseconds idle_limit{90'000};  // without a byte: server_silent
};

struct Answer {
  int status = 0;
  std::string body;  // of a stream: only when the status is not 2xx
  std::optional<std::chrono::seconds> retry_after;
};

// Destroying it cancels. The client must outlive it.
class Call {
 public:
  virtual ~Call() = default;
};

using OnAnswer = std::function<void(Result<Answer>)>;

struct StreamHandler {
  std::function<void()> on_open;             // the server took it: 2xx
  std::function<void(std::string)> on_line;  // without its line break
  OnAnswer on_end;  // last, once; 2xx: the server ended the stream in order
};

class Client {
 public:
  virtual ~Client() = default;
  virtual std::unique_ptr<Call> send(Request request, OnAnswer on_answer) = 0;
  virtual std::unique_ptr<Call> open_stream(StreamRequest request, StreamHandler handler) = 0;
};

}  // namespace keelson::rest
