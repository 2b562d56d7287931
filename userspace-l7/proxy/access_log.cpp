#include "proxy/access_log.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace keelson::proxy {
namespace {

std::string_view path_name(Path path) noexcept {
  switch (path) {
    case Path::kOutbound:
      return "outbound";
    case Path::kInbound:
      return "inbound";
    case Path::kPlain:
      return "plain";
  }
  return "unknown";
}

// Members of one JSON object, in the order of the calls. Names are literals without escapes.
class Line {
 public:
  explicit Line(std::string& to) : to_(to) { to_.push_back('{'); }
  void end() { to_.push_back('}'); }

  void add(std::string_view name, std::string_view text) {
    begin(name);
    const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) {
      return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
    });
    if (is_plain)
      to_.append(1, '"').append(text).push_back('"');
    else
      to_ += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  void add_unless_empty(std::string_view name, std::string_view text) {
    if (!text.empty()) add(name, text);
  }
  void add(std::string_view name, uint64_t number) {
    begin(name);
    put(number, 1);
  }
  // As milliseconds with the fraction that there is.
  void add(std::string_view name, std::chrono::microseconds time) {
    begin(name);
    const auto micros = static_cast<uint64_t>(std::max<int64_t>(time.count(), 0));
    put(micros / 1000, 1);
    to_.push_back('.');
    put(micros % 1000, 3);
    while (to_.back() == '0' && to_[to_.size() - 2] != '.') to_.pop_back();
  }
  // RFC 3339 with milliseconds, UTC.
  void add(std::string_view name, WallTime time) {
    using namespace std::chrono;
    begin(name);
    const auto day = floor<days>(time);
    const year_month_day date(day);
    const hh_mm_ss clock(floor<milliseconds>(time - day));
    to_.push_back('"');
    put(static_cast<uint64_t>(static_cast<int>(date.year())), 4);
    put_behind('-', static_cast<unsigned>(date.month()));
    put_behind('-', static_cast<unsigned>(date.day()));
    put_behind('T', static_cast<uint64_t>(clock.hours().count()));
    put_behind(':', static_cast<uint64_t>(clock.minutes().count()));
    put_behind(':', static_cast<uint64_t>(clock.seconds().count()));
    to_.push_back('.');
    put(static_cast<uint64_t>(clock.subseconds().count()), 3);
    to_.append("Z\"");
  }

 private:
  void begin(std::string_view name) {
    if (to_.back() != '{') to_.push_back(',');
    to_.append(1, '"').append(name).append("\":");
  }
  void put(uint64_t number, size_t digits_min) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    const auto count = static_cast<size_t>(end - digits);
    if (count < digits_min) to_.append(digits_min - count, '0');
    to_.append(digits, count);
  }
  void put_behind(char separator, uint64_t number) {
    to_.push_back(separator);
    put(number, 2);
  }

  std::string& to_;
};

void add_http(Line& line, const HttpRecord& http) {
  line.add("method", http.method);
  line.add_unless_empty("authority", http.authority);
  line.add("http_path", http.path);
  line.add("status", http.status);
  line.add_unless_empty("rule", http.rule);
  line.add_unless_empty("backend", http.backend);
  line.add("attempts", http.attempts);
}

}  // namespace

void append_json_line(std::string& to, const AccessRecord& record) {
  Line line(to);
  line.add("time", record.time);
  line.add("path", path_name(record.path));
  line.add("reason", reason_name(record.reason));
  line.add_unless_empty("source", record.source);
  line.add_unless_empty("source_identity", record.source_identity);
  line.add_unless_empty("source_address", record.source_address);
  line.add_unless_empty("destination", record.destination);
  line.add_unless_empty("destination_identity", record.destination_identity);
  line.add_unless_empty("destination_address", record.destination_address);
  line.add_unless_empty("service", record.service);
  if (record.http) add_http(line, *record.http);
  line.add_unless_empty("policy", record.policy);
  line.add("bytes_sent", record.bytes_sent);
  line.add("bytes_received", record.bytes_received);
  line.add("duration_ms", record.duration);
  line.add("generation", record.generation);
  line.add_unless_empty("detail", record.detail);
  line.end();
}

}  // namespace keelson::proxy
