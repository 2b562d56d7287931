#include "base/utc_text.h"

#include <cstdio>

namespace keelson {
namespace {

// Without the zone.
std::string second_of(WallTime time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<seconds>(time - day));
  char text[48];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text;
}

}  // namespace

std::string utc_text(WallTime time) {
  return second_of(time) + "Z";
}

std::string utc_text_micros(WallTime time) {
  using namespace std::chrono;
  const auto micros = floor<microseconds>(time - floor<seconds>(time));
  char text[16];
  std::snprintf(text, sizeof text, ".%06dZ", static_cast<int>(micros.count()));
  return second_of(time) + text;
}

}  // namespace keelson
