// Request: the one request of a run, ready to be sent: as bytes for HTTP/1.1, as fields for HTTP/2.
// Made once, then read only.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "options.h"

namespace keelson::load {

struct Request {
  std::string http1;                                        // head and body
  std::vector<std::pair<std::string, std::string>> fields;  // HTTP/2, pseudo-fields first
  uint64_t body_bytes = 0;

  static Request make(const Options& options);
};

}  // namespace keelson::load
