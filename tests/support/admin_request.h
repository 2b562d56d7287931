// A GET on an agent's Unix socket, by libcurl. Blocking, with a deadline; any thread.
#pragma once

#include <string>

namespace keelson::test {

struct AdminAnswer {
  long status = 0;  // 0: nobody answered
  std::string body;
};

AdminAnswer admin_get(const std::string& socket_path, const std::string& path_and_query);

}  // namespace keelson::test
