// The readable form of a plan: one line a row, fields decoded and ids named where the plan knows
// the name; then the proxy's routes and the findings. Stable, for goldens and `keelsonctl config`.
// Pure, any thread.
#pragma once

#include <string>
#include <string_view>

#include "compile/plan.h"

namespace keelson::compile {

std::string row_text(const RowKey& key, std::string_view value, const Names& names);
std::string plan_text(const Plan& plan);

}  // namespace keelson::compile
