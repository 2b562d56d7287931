// The one place where names behind ids are collected and collisions are found, and the shorthand
// for writing rows. Pure, any thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compile/plan.h"

namespace keelson::compile {

// Adds id -> name. Another name with this id already there: adds an id_collision error, keeps the
// first, returns false.
bool add_name(std::map<uint64_t, std::string>& names, uint64_t id, const std::string& name,
              std::vector<model::Finding>& findings);

using RowList = std::vector<std::pair<RowKey, std::string>>;

template <class Key, class Value>
std::pair<RowKey, std::string> make_row(MapId map, const Key& key, const Value& value) {
  return {RowKey{map, bytes_of(key)}, bytes_of(value)};
}

}  // namespace keelson::compile
