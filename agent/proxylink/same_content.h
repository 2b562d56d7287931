// same_content: whether two configurations tell a proxy the same, so that a compile run that
// changed nothing for it sends nothing. Generations and key material do not count. Pure, any
// thread.
#pragma once

#include "config/runtime_config.h"

namespace keelson::proxylink {

bool same_content(const config::RuntimeConfig& a, const config::RuntimeConfig& b);

}  // namespace keelson::proxylink
