// Report: a Tally as the JSON object that the ladder and the scenarios read. Pure.
#pragma once

#include <optional>
#include <string>

#include "tally.h"

namespace keelson::load {

struct RunFacts {
  double seconds = 0;                  // length of the measured window
  std::optional<double> rate_offered;  // open loop only
  uint64_t connections_opened = 0;
};

// One object on one line, with a line feed.
std::string to_json(const Tally& tally, const RunFacts& facts);

}  // namespace keelson::load
