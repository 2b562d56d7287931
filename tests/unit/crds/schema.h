// Schema: enough of a structural OpenAPI schema to judge our CustomResourceDefinitions: what the
// API server would refuse of an object, and what a reviewer would refuse of the schema itself.
// Unknown fields count as refused (the API server prunes them: the agent would never see them).
#pragma once

#include <string>
#include <vector>

#include "document/value.h"

namespace keelson::crds {

// One line for each thing wrong: "pods[0].state: 'Ready' is not one of its values".
std::vector<std::string> refusals(const document::Value& schema, const document::Value& object);

// Every node has a type and a description; lists and strings that are stored are bounded.
std::vector<std::string> schema_faults(const document::Value& schema);

}  // namespace keelson::crds
