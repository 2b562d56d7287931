#include "base/whole_characters.h"

#include <gtest/gtest.h>

namespace keelson {
namespace {

// An event's note of 1,024 bytes was refused by the API server when it had been cut within one.
TEST(WholeCharacters, NoneIsCutInHalf) {
  EXPECT_EQ(whole_characters("plain", 9), "plain");
  EXPECT_EQ(whole_characters("plain", 3), "pla");
  EXPECT_EQ(whole_characters("a\u00e9b", 2), "a");
  EXPECT_EQ(whole_characters("a\u00e9b", 3), "a\u00e9");
  EXPECT_EQ(whole_characters("\u20ac\u20ac", 5), "\u20ac");
  EXPECT_EQ(whole_characters("\u20ac", 2), "");
  EXPECT_EQ(whole_characters("", 4), "");
}

}  // namespace
}  // namespace keelson
