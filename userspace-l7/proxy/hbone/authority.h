// Authority: the destination that a CONNECT names: "ip:port", "[v6]:port" or "name:port", nothing
// else; the port is mandatory. Pure, any thread. Does not resolve names or judge addresses.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/ip_address.h"
#include "base/result.h"

namespace keelson::hbone {

struct Authority {
  std::string host;                  // as sent, lower case, without brackets
  std::optional<IpAddress> address;  // absent: `host` is a name
  uint16_t port = 0;

  // Error: hbone_bad_authority.
  static Result<Authority> parse(std::string_view text);
  // Only when there is an address.
  Endpoint endpoint() const { return {*address, port}; }
  std::string to_string() const;
};

}  // namespace keelson::hbone
