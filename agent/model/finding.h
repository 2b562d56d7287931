// Finding: what is wrong (or only partly honoured) with one piece of configuration, for people: the
// thing, the place and the fix. Produced by document, model, compile; shown by `keelsonctl status`,
// readiness and the log. Plain data, any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "base/reason.h"

namespace keelson::model {

struct SourceRef {
  std::string file;   // as the source names it
  uint32_t line = 0;  // 1-based; 0: the whole file
  std::string to_string() const { return line == 0 ? file : file + ":" + std::to_string(line); }
  friend auto operator<=>(const SourceRef&, const SourceRef&) = default;
};

enum class Severity : uint8_t { kInfo, kWarning, kError };  // kError: something is not applied

struct Finding {
  Severity severity = Severity::kError;
  Reason reason = Reason::internal;
  SourceRef where;
  std::string object;   // "AuthorizationPolicy shop/pay-callers"; empty: the file
  std::string message;  // "unknown field spec.rules[0].form"
  std::string fix;      // "did you mean 'from'?"
  friend auto operator<=>(const Finding&, const Finding&) = default;
};

}  // namespace keelson::model
