// The table of reasons (base/reason.h) for people: what a name in `status`, `observe`, a log or a
// metric means. Asks nobody.
#pragma once

#include <string>

#include "keelsonctl/cli.h"
#include "keelsonctl/options.h"

namespace keelson::ctl {

// Empty, or what is wrong with it.
std::string not_a_reason(const std::string& name);

// All, or the one that is named. Returns kExitOk.
int show_reasons(const Options& options, const Terminal& terminal);

}  // namespace keelson::ctl
