// A TCP SYN written by hand (IPv4, raw socket): no connect() hook ever sees it, which is how a
// process with CAP_NET_RAW tries to look like nobody, or like a connection that has just ended.
#pragma once

#include <string>

#include "base/ip_address.h"

namespace keelson::test {

// From inside the namespace; the kernel fills in the IP header with `from` as source.
// Answers false when the packet could not be sent.
bool send_syn(const std::string& netns_path, const Endpoint& from, const Endpoint& to);

}  // namespace keelson::test
