// AccessLog: one JSON line for each connection, tunnel or HTTP request that has ended, and for each
// that was refused. Any thread; never waits for a disk (access_log_file.h).
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/reason.h"

namespace keelson::proxy {

enum class Path : uint8_t { kOutbound, kInbound, kPlain };

// What a line about an HTTP request says beside.
struct HttpRecord {
  std::string method, authority, path;  // without the query, which may hold secrets
  uint16_t status = 0;                  // that the client got; 0: none
  std::string rule;                     // of the route that matched: "shop/pay-canary#0"
  std::string backend;                  // "shop/pay-v2:80"
  unsigned attempts = 0;                // connections to endpoints that were tried
};

struct AccessRecord {
  WallTime time;  // of its end
  Path path = Path::kOutbound;
  std::string source;           // workload, "namespace/pod"; empty: not in the mesh
  std::string source_identity;  // SPIFFE ID; inbound: the proven one
  std::string source_address;
  std::string destination;
  std::string destination_identity;
  std::string destination_address;
  std::string service;          // "namespace/name", when one was dialled
  uint64_t bytes_sent = 0;      // towards the destination
  uint64_t bytes_received = 0;  // from it
  std::chrono::microseconds duration{0};
  Reason reason = Reason::none;
  std::string policy;  // that decided, if one did
  std::string detail;  // of an error
  uint64_t generation = 0;
  std::optional<HttpRecord> http;  // of a request
};

// Without the line's end. Invalid UTF-8 is replaced, not refused. Pure; allocates only where `to`
// is short or a text holds more than printable ASCII.
void append_json_line(std::string& to, const AccessRecord& record);

class AccessLog {
 public:
  virtual ~AccessLog() = default;
  virtual void write(const AccessRecord& record) = 0;
  virtual uint64_t dropped() const = 0;
};

}  // namespace keelson::proxy
