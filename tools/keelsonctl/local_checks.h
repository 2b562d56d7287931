// local_checks: what `keelsonctl check` can say about a machine when no agent answers, by reading
// files only. The agent's own check (loading and attaching for real) says more. The root folder is
// a parameter, so that tests check made-up machines.
#pragma once

#include <string>

namespace keelson::ctl {

// The same JSON as /v1/check. `root`: "" for this machine.
std::string local_checks_json(const std::string& root);

}  // namespace keelson::ctl
