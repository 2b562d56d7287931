// Server: where a Client talks to and by what it knows the server and is known to it. Plain data.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"

namespace keelson::rest {

struct Server {
  std::string url;          // "https://10.0.0.1:6443", also with a path
  std::string server_name;  // in its certificate; empty: the URL's host
  std::string ca_pem;       // empty: the system's roots
  std::string client_certificate_pem, client_key_pem;
  // The bearer token, asked for with each call; no function: none.
  std::function<Result<std::string>()> token;
};

}  // namespace keelson::rest
