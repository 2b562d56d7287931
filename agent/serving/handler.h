// Handler: what an HttpServer asks for each request, free of sockets and of HTTP framing.
// One thread: its loop's. A handler returns at once; long answers are streams, and one that has to
// ask somebody else first is pending.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "serving/line_source.h"

namespace keelson::serving {

// kOwner: the Unix socket, whose mode 0600 says who may ask. kNode: TCP, metrics and health only.
// kNetwork: TLS, for callers who prove themselves in the request.
enum class Surface : uint8_t { kOwner, kNode, kNetwork };

struct Request {
  Surface surface = Surface::kNode;
  std::string method;
  std::string path;                          // "/v1/status", decoded
  std::map<std::string, std::string> query;  // decoded; of a name given twice the last one counts
  std::string body;                          // where HttpLimits admit one
  std::string authorization;                 // the header; empty: none, or more than one
};

class PendingAnswer;

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::unique_ptr<LineSource> stream;  // set: the body is what it yields, and `body` is not used
  std::unique_ptr<PendingAnswer> pending = nullptr;  // set: nothing else is, yet
  std::string allow = "GET";                         // with 405
  std::chrono::seconds retry_after{0};               // 0: the header is not sent
};

// Destroyed when the answer was taken, or nobody waits for it any more.
class PendingAnswer {
 public:
  virtual ~PendingAnswer() = default;
  // Nothing: not yet. Never another pending answer.
  virtual std::optional<Response> take() = 0;
  // Calls `wake` (from the loop, never from inside take()) when the answer may be there.
  virtual void set_wake(std::function<void()> wake) = 0;
};

class Handler {
 public:
  virtual ~Handler() = default;
  virtual Response handle(const Request& request) = 0;
};

// What is answered to a request that no handler sees:
// {"error":{"code":...,"message":...,"next":""}}.
Response refusal(int status, Reason reason);

// "/v1/why?from=shop%2Fweb-1&port=80" into path and query. Error: Reason::bad_value (not a path,
// a broken escape, a control character).
Result<Request> parse_target(std::string_view target);

}  // namespace keelson::serving
