#include "compile/name_table.h"

namespace keelson::compile {

model::Finding id_collision(const std::string& name, const std::string& first) {
  return {
      model::Severity::kError, Reason::id_collision, {}, name, "has the same 64-bit id as " + first,
      "rename one of the two"};
}

}  // namespace keelson::compile
