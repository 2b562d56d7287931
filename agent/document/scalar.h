// scalar: which type an unquoted YAML scalar has. The rules are those of Kubernetes' reader
// (sigs.k8s.io/yaml on go-yaml v2: YAML 1.1 booleans and octals), so that a manifest means here
// what it means to kubectl. Pure, any thread.
#pragma once

#include <string>

#include "document/value.h"

namespace keelson::document {

Value plain_scalar(std::string text, uint32_t line);

}  // namespace keelson::document
