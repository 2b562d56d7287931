// Checks: a list of findings about a machine, each with its fix, and its JSON (as /v1/check).
#pragma once

#include <string>
#include <vector>

namespace keelson::ctl {

struct Outcome {
  std::string result, detail, fix;  // result: ok, warning, error, skipped
};
inline Outcome good(std::string detail) {
  return {"ok", std::move(detail), ""};
}
inline Outcome warning(std::string detail, std::string fix) {
  return {"warning", std::move(detail), std::move(fix)};
}
inline Outcome error(std::string detail, std::string fix) {
  return {"error", std::move(detail), std::move(fix)};
}

struct CheckLine {
  std::string group, name;
  Outcome outcome;
};
using Checks = std::vector<CheckLine>;

std::string checks_json(const Checks& checks);

// node_network.cpp: who configures the network of this node's pods, and how that goes with Keelson.
void check_network(const std::string& root, Checks& checks);

}  // namespace keelson::ctl
