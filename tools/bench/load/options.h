// Options: keelson-load's command line, checked as a whole: what parse_options() lets through can
// be run as it stands. Pure but for --help and errors, which go to the given streams.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "url.h"

namespace keelson::load {

enum class Loop : uint8_t { kClosed, kOpen };
enum class Protocol : uint8_t { kHttp1, kHttp2 };

struct Options {
  Url url;
  std::string connect;  // ADDR:PORT instead of the URL's; empty: the URL's
  size_t connections = 1;
  Loop loop = Loop::kClosed;
  double rate = 0;  // requests a second; open loop only
  double seconds = 0;
  double warmup = 0;
  double patience = 10;                  // for what is still out at the end
  std::optional<uint64_t> requests_max;  // counted ones
  Protocol protocol = Protocol::kHttp1;
  size_t streams = 1;  // for each connection; 1 with HTTP/1.1
  bool is_connection_each = false;
  std::vector<std::string> headers;  // "Name: value"
  uint64_t body_bytes = 0;
  std::string ca, certificate, key, server_name;
  std::optional<double> idle_hold;  // seconds
  std::string json = "-";           // file, or standard output
};

struct ParsedOptions {
  std::optional<Options> options;
  int exit_code = 0;  // without options
};

// `arguments`: without the program's name.
ParsedOptions parse_options(const std::vector<std::string>& arguments, std::ostream& out,
                            std::ostream& err);

}  // namespace keelson::load
