// Handler: what an HttpServer asks for each request, free of sockets and of HTTP framing.
// Agent loop only. A handler returns at once; long answers are streams.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "serving/line_source.h"

namespace keelson::serving {

// kOwner: the Unix socket, whose mode 0600 says who may ask. kNode: loopback TCP, anybody on the
// node: metrics and health only.
enum class Surface : uint8_t { kOwner, kNode };

struct Request {
  Surface surface = Surface::kNode;
  std::string method;
  std::string path;                          // "/v1/status", decoded
  std::map<std::string, std::string> query;  // decoded; of a name given twice the last one counts
  std::string body;                          // where HttpLimits admit one
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::unique_ptr<LineSource> stream;  // set: the body is what it yields, and `body` is not used
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
