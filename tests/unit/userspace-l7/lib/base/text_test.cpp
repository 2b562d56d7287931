// Texts that programs write for others: times, parts of URLs, digests.
#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/content_id.h"
#include "base/percent_encoding.h"
#include "base/utc_text.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

TEST(UtcText, IsRfc3339) {
  const WallTime time{1'700'000'000s + 42us};
  EXPECT_EQ(utc_text(time), "2023-11-14T22:13:20Z");
  EXPECT_EQ(utc_text_micros(time), "2023-11-14T22:13:20.000042Z");
  EXPECT_EQ(utc_text(WallTime(951'782'400s)), "2000-02-29T00:00:00Z");
}

TEST(UtcText, BeforeTheEpochTheStartedSecondCounts) {
  EXPECT_EQ(utc_text_micros(WallTime(-1us)), "1969-12-31T23:59:59.999999Z");
}

TEST(PercentEncoded, LeavesWhatIsUnreservedAndWhatIsAsked) {
  EXPECT_EQ(percent_encoded("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encoded("a/b c=%\xc3\xa9"), "a%2Fb%20c%3D%25%C3%A9");
  EXPECT_EQ(percent_encoded("a/b&", "/"), "a/b%26");
}

TEST(Base64, IsReadAsItIsWritten) {
  for (const char* bytes : {"", "f", "fo", "foo", "foob"})
    EXPECT_EQ(base64_decoded(base64_encoded(bytes)), bytes);
  EXPECT_EQ(base64_encoded("foob"), "Zm9vYg==");
  EXPECT_EQ(base64_decoded("Zm9v\nYg==\n"), "foob");
}

TEST(Base64, WhatIsNoneIsRefused) {
  for (const char* text : {"Zm9", "Zm9v!A==", "=Zm9"}) EXPECT_FALSE(base64_decoded(text)) << text;
}

TEST(Sha256Hex, IsTheDigest) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace keelson
