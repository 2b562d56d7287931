#include "keelsonctl/reasons.h"

#include <nlohmann/json.hpp>

#include "base/reason.h"
#include "keelsonctl/table.h"

namespace keelson::ctl {
namespace {

// Whose it is: the ranges of reason.def.
std::string_view kind_of(Reason reason) {
  const auto number = static_cast<uint16_t>(reason);
  if (number == 0) return "";
  if (number < 50) return "let pass";
  if (number < 100) return "refused in the kernel";
  if (number < 120) return "accounting";
  if (number < 170) return "configuration";
  if (number < 200) return "pods and hold";
  if (number < 300) return "proxy and HTTP";
  return number < 350 ? "TLS and identity" : "node and agent";
}

}  // namespace

std::string not_a_reason(const std::string& name) {
  for (const auto& info : kReasons)
    if (info.name == name) return "";
  return "no such reason: " + name + "; keelsonctl reasons lists them";
}

int show_reasons(const Options& options, const Terminal& terminal) {
  Table table({"REASON", "KIND", "MEANING"});
  nlohmann::json list = nlohmann::json::array();
  for (const auto& info : kReasons) {
    if (!options.reason.empty() && info.name != options.reason) continue;
    table.add({std::string(info.name), std::string(kind_of(info.reason)), std::string(info.text)});
    list.push_back({{"name", info.name}, {"kind", kind_of(info.reason)}, {"meaning", info.text}});
  }
  if (options.json())
    terminal.out << list.dump(2) << "\n";
  else
    terminal.out << table.text({terminal.is_tty && !terminal.no_color});
  return kExitOk;
}

}  // namespace keelson::ctl
