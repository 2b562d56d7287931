// Removes everything that a lab of this prefix made, whoever made it and however that ended:
// processes (recorded by pid and start time, and those in the lab's cgroups), mounts, network
// namespaces, cgroups, files. Also the lock that makes a prefix belong to one supervisor.
// Caller must hold the lock. Never touches a name that is not of this prefix.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "lab_layout.h"

namespace keelson::lab {

// Error: not_found's opposite, `fenced`, when another process has it; the context names the holder.
Result<Fd> take_lock(const Layout& layout);
void release_lock(const Layout& layout, Fd lock);

// Does all it can; the error names what is still there.
Result<void> remove_all(const Layout& layout);

// What is left of a prefix, one line each; empty after remove_all. For tests and `lab down`.
std::vector<std::string> leftovers(const Layout& layout);

// Prefixes STEM* whose lock file nobody holds: labs whose supervisor was killed.
std::vector<std::string> abandoned_prefixes(std::string_view stem);

}  // namespace keelson::lab
