// The control socket between the `lab` command, the tests and the supervisor: one JSON request and
// one JSON reply per connection of a Unix stream socket that only root may open. A request is
// {"do": NAME, ...}; a reply has "ok" and either what was asked or "error". Blocking, with a
// deadline. lab_requests.cpp is the list of requests.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>

#include "base/fd.h"
#include "lab_layout.h"

namespace keelson::lab {

Result<Fd> listen_control(const Layout& layout);
Result<nlohmann::json> receive_request(int connection);
void send_reply(int connection, const nlohmann::json& reply);

// Error: cannot_reach when no supervisor answers; the reply's "error" otherwise.
Result<nlohmann::json> ask(const Layout& layout, const nlohmann::json& request);

}  // namespace keelson::lab
