// What is left of an agent that has taken its node out of the mesh for good (retirement.h): it
// answers that it has, so that the kubelet finds it ready and starts no other, and touches nothing.
// A restarted container of the same pod comes here at once, by the mark that the first has left:
// else it would load its programs again before it had heard that it shall not.
#pragma once

#include <string>

#include "base/result.h"
#include "options.h"

namespace keelson {

// RUN_DIR/retired holds the uid of the pod that has retired.
bool is_retired(const Options& options);
Result<void> mark_retired(const Options& options);

// Until SIGTERM or SIGINT, after which also its socket and its mark are gone.
Result<void> serve_retired(const Options& options);

}  // namespace keelson
