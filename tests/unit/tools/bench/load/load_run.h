// Runs keelson-load in the test's process and reads its report.
#pragma once

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "load/command.h"

namespace keelson::load::test {

struct Outcome {
  int code = 0;
  std::string error;  // what went to standard error
  nlohmann::json report;

  uint64_t errors() const {
    uint64_t sum = 0;
    for (const auto& [name, count] : report["errors"].items()) sum += count.get<uint64_t>();
    return sum;
  }
  // Latencies above so many nanoseconds.
  uint64_t above(uint64_t ns) const {
    uint64_t sum = 0;
    for (const auto& bucket : report["histogram"])
      if (bucket[0].get<uint64_t>() > ns) sum += bucket[1].get<uint64_t>();
    return sum;
  }
};

inline Outcome run_load(const std::vector<std::string>& arguments, int stop = -1) {
  std::ostringstream out, err;
  Outcome outcome;
  outcome.code = run(arguments, stop, out, err);
  outcome.error = err.str();
  if (!out.str().empty()) outcome.report = nlohmann::json::parse(out.str(), nullptr, false);
  return outcome;
}

}  // namespace keelson::load::test
