#include "proxy/access_log.h"

#include <algorithm>
#include <charconv>
#include <cstring>
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

// True unless JSON wants something done about one of the eight bytes; false also for some where it
// does not (all that is not ASCII).
bool is_plain(uint64_t word) noexcept {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHigh = kOnes * 0x80;
  const uint64_t quote = word ^ (kOnes * '"');
  const uint64_t backslash = word ^ (kOnes * '\\');
  const uint64_t suspects = (word - kOnes * 0x20) | (quote - kOnes) | (backslash - kOnes) | word;
  return (suspects & kHigh) == 0;
}

bool is_plain(std::string_view text) noexcept {
  uint64_t word = 0;
  if (text.size() < 8) {
    word = 0x2020202020202020;
    std::memcpy(&word, text.data(), text.size());
    return is_plain(word);
  }
  for (size_t at = 0; at < text.size(); at += 8) {
    std::memcpy(&word, text.data() + std::min(at, text.size() - 8), 8);
    if (!is_plain(word)) return false;
  }
  return true;
}

// Members of one JSON object, in the order of the calls. Each `name` is `"name":` with what goes
// before it: one copy.
class Line {
 public:
  explicit Line(std::string& to) : to_(to) {}

  void add(std::string_view name, std::string_view text) {
    to_.append(name);
    if (!is_plain(text)) {
      to_ += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
      return;
    }
    to_.push_back('"');
    to_.append(text);
    to_.push_back('"');
  }
  void add_unless_empty(std::string_view name, std::string_view text) {
    if (!text.empty()) add(name, text);
  }
  void add(std::string_view name, uint64_t number) {
    to_.append(name);
    put(number, 1);
  }
  // As milliseconds with the fraction that there is.
  void add(std::string_view name, std::chrono::microseconds time) {
    to_.append(name);
    const auto micros = static_cast<uint64_t>(std::max<int64_t>(time.count(), 0));
    put(micros / 1000, 1);
    to_.push_back('.');
    put(micros % 1000, 3);
    while (to_.back() == '0' && to_[to_.size() - 2] != '.') to_.pop_back();
  }
  // RFC 3339 with milliseconds, UTC.
  void add(std::string_view name, WallTime time) {
    using namespace std::chrono;
    to_.append(name);
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
  line.add(R"(,"method":)", http.method);
  line.add_unless_empty(R"(,"authority":)", http.authority);
  line.add(R"(,"http_path":)", http.path);
  line.add(R"(,"status":)", http.status);
  line.add_unless_empty(R"(,"rule":)", http.rule);
  line.add_unless_empty(R"(,"backend":)", http.backend);
  line.add(R"(,"attempts":)", http.attempts);
}

}  // namespace

void append_json_line(std::string& to, const AccessRecord& record) {
  Line line(to);
  line.add(R"({"time":)", record.time);
  line.add(R"(,"path":)", path_name(record.path));
  line.add(R"(,"reason":)", reason_name(record.reason));
  line.add_unless_empty(R"(,"source":)", record.source);
  line.add_unless_empty(R"(,"source_identity":)", record.source_identity);
  line.add_unless_empty(R"(,"source_address":)", record.source_address);
  line.add_unless_empty(R"(,"destination":)", record.destination);
  line.add_unless_empty(R"(,"destination_identity":)", record.destination_identity);
  line.add_unless_empty(R"(,"destination_address":)", record.destination_address);
  line.add_unless_empty(R"(,"service":)", record.service);
  if (record.http) add_http(line, *record.http);
  line.add_unless_empty(R"(,"policy":)", record.policy);
  line.add(R"(,"bytes_sent":)", record.bytes_sent);
  line.add(R"(,"bytes_received":)", record.bytes_received);
  line.add(R"(,"duration_ms":)", record.duration);
  line.add(R"(,"generation":)", record.generation);
  line.add_unless_empty(R"(,"detail":)", record.detail);
  to.push_back('}');
}

}  // namespace keelson::proxy
