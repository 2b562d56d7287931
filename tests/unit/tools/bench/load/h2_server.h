// An HTTP/2 server on a Channel of the tests: answers every request with 200 and three bytes.
#pragma once

#include "load_server.h"

namespace keelson::load::test {

void serve_http2(Channel& channel);
// With the last of so many answers it says GOAWAY with this code (RFC 9113 section 7), which, other
// than 0, takes that answer along.
void serve_http2_until_goaway(Channel& channel, int answers, uint32_t code);

}  // namespace keelson::load::test
