// The one place where names behind ids are collected and collisions are found, and the shorthand
// for writing rows. Pure, any thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "compile/plan.h"

namespace keelson::compile {

model::Finding id_collision(const std::string& name, const std::string& first);

// Adds id -> name. Another name with this id already there: adds an id_collision error, keeps the
// first, returns false.
template <class Table>
bool add_name(Table& names, uint64_t id, const std::string& name,
              std::vector<model::Finding>& findings) {
  const auto [at, added] = names.emplace(id, name);
  if (added || at->second == name) return true;
  findings.push_back(id_collision(name, at->second));
  return false;
}

using RowList = std::vector<std::pair<RowKey, RowBytes>>;

template <class Key, class Value>
std::pair<RowKey, RowBytes> make_row(MapId map, const Key& key, const Value& value) {
  return {RowKey{map, bytes_of(key)}, bytes_of(value)};
}

}  // namespace keelson::compile
