#include <cstdio>

#include "keelsonctl/answer.h"
#include "keelsonctl/render.h"

namespace keelson::ctl {
namespace {

std::string scaled(double value, const char* unit) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %s", value, unit);
  return text;
}

std::string bytes(uint64_t count) {
  if (count < 10'240) return std::to_string(count) + " B";
  const double kib = static_cast<double>(count) / 1024;
  return kib < 10'240 ? scaled(kib, "KiB") : scaled(kib / 1024, "MiB");
}

std::string time_spent(uint64_t nanoseconds) {
  if (nanoseconds < 10'000) return std::to_string(nanoseconds) + " ns";
  const double microseconds = static_cast<double>(nanoseconds) / 1000;
  if (microseconds < 10'000) return scaled(microseconds, "us");
  const double milliseconds = microseconds / 1000;
  return milliseconds < 10'000 ? scaled(milliseconds, "ms") : scaled(milliseconds / 1000, "s");
}

std::string share(uint64_t part, uint64_t whole) {
  if (whole == 0) return {};
  const double percent = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  char text[16];
  std::snprintf(text, sizeof text, percent < 10 ? "%.1f %%" : "%.0f %%", percent);
  return text;
}

}  // namespace

Result<Rendered> render_bpf_programs(std::string_view json, const Style& style) {
  KS_ASSIGN(const Json answer, parse(json));
  Table table({"PROGRAM", "ID", "TYPE", "LINKS", "RUNS", "TIME", "PER RUN", "MEMORY"});
  for (const auto& program : objects(answer, "programs")) {
    const uint64_t runs = number(program, "run_count");
    const uint64_t spent = number(program, "run_time_ns");
    table.add({text(program, "name"), text(program, "id"), text(program, "type"),
               text(program, "links"), runs == 0 ? "" : std::to_string(runs),
               runs == 0 ? "" : time_spent(spent), runs == 0 ? "" : time_spent(spent / runs),
               bytes(number(program, "memory_bytes"))});
  }
  Rendered result{table.text(style), {}, false};
  if (!flag(answer, "runs_counted"))
    result.hints =
        "hint: runs are not counted; on the node: sysctl -w kernel.bpf_stats_enabled=1 (it costs "
        "some 20 ns a run)\n";
  return result;
}

Result<Rendered> render_bpf_links(std::string_view json, const Style& style) {
  KS_ASSIGN(const Json answer, parse(json));
  Table table({"LINK", "ID", "PROGRAM", "HOOK", "AT", "POD", "STATE"});
  size_t orphans = 0;
  for (const auto& link : objects(answer, "links")) {
    std::string program = text(link, "program");
    if (program.empty()) program = "id " + text(link, "program_id");
    std::string pin = text(link, "pin");
    if (pin.empty()) pin = text(link, "kind");
    const std::string state = text(link, "state");
    if (state.ends_with("_gone")) ++orphans;
    const std::string id = text(link, "id");
    table.add({pin, id == "0" ? "" : id, program, text(link, "hook"), text(link, "at"),
               text(link, "pod"), state});
  }
  Rendered result{table.text(style), {}, false};
  if (orphans != 0)
    result.hints = "hint: " + std::to_string(orphans) +
                   " hang where no pod of this node is; the agent removes them when it starts\n";
  return result;
}

Result<Rendered> render_bpf_maps(std::string_view json, const Style& style) {
  KS_ASSIGN(const Json answer, parse(json));
  Table table({"MAP", "ID", "TYPE", "ENTRIES", "OF", "USED", "KEY", "VALUE", "MEMORY"});
  for (const auto& map : objects(answer, "maps")) {
    const uint64_t max = number(map, "entries_max");
    const bool counted = !member(map, "entries").is_null();
    table.add({text(map, "name"), text(map, "id"), text(map, "type"), text(map, "entries"),
               counted ? std::to_string(max) : "",
               counted ? share(number(map, "entries"), max) : "", text(map, "key_bytes"),
               text(map, "value_bytes"), bytes(number(map, "memory_bytes"))});
  }
  return Rendered{table.text(style), {}, false};
}

Result<Rendered> render_bpf_rows(std::string_view json, const Style&) {
  KS_ASSIGN(const Json answer, parse(json));
  Rendered result;
  const Json& rows = member(answer, "rows");
  if (rows.is_array())
    for (const auto& row : rows) result.out += plain_text(text(row)) + "\n";
  const uint64_t count = number(answer, "count");
  const size_t shown = rows.is_array() ? rows.size() : 0;
  if (shown < count)
    result.hints = "hint: " + std::to_string(shown) + " of " + std::to_string(count) +
                   " rows; all: bpftool map dump pinned /sys/fs/bpf/keelson/" +
                   plain_text(text(answer, "map")) + "\n";
  return result;
}

}  // namespace keelson::ctl
