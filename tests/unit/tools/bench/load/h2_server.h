// An HTTP/2 server on a Channel of the tests: answers every request with 200 and three bytes.
#pragma once

#include "load_server.h"

namespace keelson::load::test {

void serve_http2(Channel& channel);

}  // namespace keelson::load::test
