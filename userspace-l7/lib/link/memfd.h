// memfd: sealed memfds, the way large or secret payloads travel between our processes: content is
// fixed at birth (write, grow, shrink and seal are sealed), so that the receiver may trust its
// length while it reads. Free functions, any thread. Holds no keys itself.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace keelson::link {

// `name` is shown in /proc only.
Result<Fd> make_sealed_memfd(const std::string& name, std::string_view content);
// Refuses anything that is not a fully sealed memfd, or longer than bytes_max (message_malformed).
Result<std::string> read_sealed_memfd(const Fd& memfd, size_t bytes_max);

}  // namespace keelson::link
