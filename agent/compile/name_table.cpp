#include "compile/name_table.h"

namespace keelson::compile {

bool add_name(std::map<uint64_t, std::string>& names, uint64_t id, const std::string& name,
              std::vector<model::Finding>& findings) {
  const auto [at, added] = names.emplace(id, name);
  if (added || at->second == name) return true;
  findings.push_back({model::Severity::kError,
                      Reason::id_collision,
                      {},
                      name,
                      "has the same 64-bit id as " + at->second,
                      "rename one of the two"});
  return false;
}

}  // namespace keelson::compile
