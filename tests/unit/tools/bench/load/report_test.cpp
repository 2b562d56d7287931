#include "load/report.h"

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>

namespace keelson::load {
namespace {

using Json = nlohmann::json;

TEST(LoadReport, HasTheKeysThatTheLadderReads) {
  const auto tally = std::make_unique<Tally>();
  for (int i = 0; i < 99; i++) tally->on_answer(1'000'000, 200, true);
  tally->on_answer(2'000'000, 503, false);
  tally->on_lost(ErrorKind::kReset, "Connection reset by peer");
  tally->on_timeout(3'000'000'000);
  tally->on_error(ErrorKind::kTls);
  tally->on_connected(50'000);
  tally->on_bytes(4096);
  const Json json = Json::parse(to_json(*tally, {2.0, 60.0, 3}));

  EXPECT_EQ(json["requests"], 102);
  EXPECT_EQ(json["ok"], 99);
  EXPECT_EQ(json["status"], Json({{"200", 99}, {"503", 1}}));
  EXPECT_EQ(json["errors"],
            Json({{"connect", 0}, {"reset", 1}, {"timeout", 1}, {"tls", 1}, {"protocol", 0}}));
  ASSERT_EQ(json["first_errors"].size(), 3u);
  EXPECT_EQ(json["first_errors"][0]["kind"], "reset");
  EXPECT_EQ(json["first_errors"][0]["text"], "Connection reset by peer");
  EXPECT_GT(json["first_errors"][0]["unix_ms"], 1'700'000'000'000u);
  EXPECT_EQ(json["bytes_in"], 4096);
  EXPECT_EQ(json["connections_opened"], 3);
  EXPECT_EQ(json["seconds"], 2.0);
  EXPECT_EQ(json["rate_offered"], 60.0);
  EXPECT_EQ(json["rate_done"], 49.5);
  EXPECT_NEAR(json["latency_us"]["p50"], 1000, 1);
  EXPECT_NEAR(json["latency_us"]["p90"], 1000, 1);
  EXPECT_NEAR(json["latency_us"]["p99"], 2000, 2);
  EXPECT_EQ(json["latency_us"]["p999"], 3'000'000.0);
  EXPECT_EQ(json["latency_us"]["max"], 3'000'000.0);
  EXPECT_NEAR(json["latency_us"]["mean"], (99.0 * 1000 + 2000 + 3'000'000) / 101, 1);
  EXPECT_EQ(json["connect_us"]["p50"], 50.0);
  ASSERT_EQ(json["histogram"].size(), 3u);
  EXPECT_GE(json["histogram"][0][0], 1'000'000);
  EXPECT_EQ(json["histogram"][0][1], 99);
}

TEST(LoadReport, KeepsTheFirstErrorsOnly) {
  const auto tally = std::make_unique<Tally>();
  for (size_t i = 0; i < 2 * Tally::kSamplesMax; i++)
    tally->on_error(ErrorKind::kConnect, std::to_string(i));
  ASSERT_EQ(tally->first_errors.size(), Tally::kSamplesMax);
  EXPECT_EQ(tally->first_errors.back().text, std::to_string(Tally::kSamplesMax - 1));
}

TEST(LoadReport, SaysNullForWhatThereWasNot) {
  const Json json = Json::parse(to_json(*std::make_unique<Tally>(), {0, std::nullopt, 0}));
  EXPECT_TRUE(json["rate_offered"].is_null());
  EXPECT_TRUE(json["connect_us"].is_null());
  EXPECT_TRUE(json["histogram"].empty());
  EXPECT_EQ(json["rate_done"], 0.0);
}

}  // namespace
}  // namespace keelson::load
