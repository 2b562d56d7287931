#include "report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace keelson::load {
namespace {

using Json = nlohmann::ordered_json;

// To a tenth of a microsecond.
double to_us(double ns) {
  return static_cast<double>(static_cast<uint64_t>(ns / 100 + 0.5)) / 10;
}

Json quantiles(const Latencies& latencies) {
  const LatencyHistogram& histogram = latencies.histogram;
  Json json;
  const auto add = [&](const char* name, unsigned permille) {
    // A bucket's bound may lie above the largest value in it.
    const uint64_t ns = std::min(histogram.quantile(permille), latencies.max_ns);
    json[name] = to_us(static_cast<double>(ns));
  };
  add("p50", 500);
  add("p90", 900);
  add("p99", 990);
  add("p999", 999);
  json["max"] = to_us(static_cast<double>(latencies.max_ns));
  const auto count = static_cast<double>(std::max<uint64_t>(histogram.count(), 1));
  json["mean"] = to_us(static_cast<double>(histogram.sum()) / count);
  return json;
}

Json buckets(const LatencyHistogram& histogram) {
  Json json = Json::array();
  for (size_t i = 0; i < LatencyHistogram::kBuckets; i++)
    if (const uint64_t count = histogram.bucket_count(i); count > 0)
      json.push_back({LatencyHistogram::upper_bound(i), count});
  return json;
}

}  // namespace

std::string to_json(const Tally& tally, const RunFacts& facts) {
  Json json;
  json["requests"] = tally.requests;
  json["ok"] = tally.ok;
  json["status"] = Json::object();
  for (size_t status = 0; status < Tally::kStatuses; status++)
    if (tally.by_status[status] > 0)
      json["status"][std::to_string(status)] = tally.by_status[status];
  for (size_t i = 0; i < kErrorNames.size(); i++)
    json["errors"][kErrorNames[i]] = tally.by_error[i];
  json["first_errors"] = Json::array();
  for (const ErrorSample& error : tally.first_errors)
    json["first_errors"].push_back({{"unix_ms", error.unix_ms},
                                    {"kind", kErrorNames[static_cast<size_t>(error.kind)]},
                                    {"text", error.text}});
  json["retried"] = tally.retried;
  json["bytes_in"] = tally.bytes_in;
  json["connections_opened"] = facts.connections_opened;
  json["seconds"] = facts.seconds;
  json["rate_offered"] = facts.rate_offered ? Json(*facts.rate_offered) : Json();
  json["rate_done"] =
      facts.seconds > 0 ? static_cast<double>(tally.answered_in_time) / facts.seconds : 0.0;
  json["latency_us"] = quantiles(tally.latencies);
  json["connect_us"] = tally.connects.histogram.count() > 0 ? quantiles(tally.connects) : Json();
  json["histogram"] = buckets(tally.latencies.histogram);
  return json.dump() + "\n";
}

}  // namespace keelson::load
