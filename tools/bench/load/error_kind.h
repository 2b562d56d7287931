// ErrorKind: why a request got no answer, or a connection ended that should not have. The names
// are the keys of "errors" in the JSON.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace keelson::load {

enum class ErrorKind : uint8_t {
  kConnect,   // no TCP connection
  kReset,     // the other side ended a connection, or a stream, that was in use or idle
  kTimeout,   // still without answer when patience ended
  kTls,       // handshake or record failed, or a certificate was refused
  kProtocol,  // not the HTTP that was expected
};
inline constexpr std::array<const char*, 5> kErrorNames{"connect", "reset", "timeout", "tls",
                                                        "protocol"};

}  // namespace keelson::load
