// for_each_row: everything in one hash or LPM map, in batches where the kernel offers them. Rows
// that are written meanwhile may or may not be seen. Free function, any thread.
#pragma once

#include <functional>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace keelson::datapath {

Result<void> for_each_row(const Fd& map, size_t key_bytes, size_t value_bytes,
                          const std::function<void(std::string_view, std::string_view)>& visit);

}  // namespace keelson::datapath
