// Files on the node that others read at any moment: replaced whole by a temporary file in the same
// folder (a hidden name that no runtime reads), fsync and rename; so a reader, or a node that loses
// power, has the old one or the new one. Any thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson::cni {

// Error: io_error, not_found (errno ENOENT).
Result<std::string> read_node_file(const std::string& path);
Result<void> replace_node_file(const std::string& path, std::string_view content, mode_t mode);
// Gone already: done.
Result<void> remove_node_file(const std::string& path);
// Temporary files of this one that agents left which ended in the middle: older than a minute, for
// a younger one may be another agent's that is writing now.
void remove_left_temporaries(const std::string& path);

// The plugin out of the agent's image into the folder of CNI plugins. True: it was another one, or
// none, before. A plugin that runs meanwhile goes on undisturbed.
Result<bool> install_plugin(const std::string& from, const std::string& to);

}  // namespace keelson::cni
