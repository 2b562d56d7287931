// SharedHashMap against std::map, over random edits of copies that share.
#include "base/shared_hash_map.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace keelson {
namespace {

using Map = SharedHashMap<int, int>;
using Model = std::map<int, int>;

Model content(const Map& map) {
  Model all;
  for (const auto& [key, value] : map) EXPECT_TRUE(all.emplace(key, value).second);
  return all;
}

bool same(const Map& a, const Map& b) {
  return Map::equal(a, b, [](int x, int y) { return x == y; });
}

TEST(SharedHashMap, IsAMapWhateverItSharesWithOthers) {
  for (const unsigned keys : {3u, 100u, 5000u}) {
    std::mt19937 random(keys);
    Map map, before;
    Model model, model_before;
    for (int step = 0; step < 10'000; ++step) {
      const int key = static_cast<int>(random() % keys), value = static_cast<int>(random() % 3);
      switch (random() % 4) {
        case 0:
          EXPECT_EQ(map.emplace(key, value), model.emplace(key, value).second);
          break;
        case 1:
          map[key] = model[key] = value;
          break;
        default:
          EXPECT_EQ(map.erase(key), model.erase(key));
      }
      ASSERT_EQ(map.size(), model.size());
      ASSERT_EQ(map.contains(key), model.contains(key));
      if (step % 250 != 0) continue;
      ASSERT_EQ(content(map), model);
      ASSERT_EQ(content(before), model_before) << "a copy changed with its origin";
      ASSERT_EQ(same(map, before), model == model_before);
      before = map;
      model_before = model;
    }
  }
}

TEST(SharedHashMap, FindsWhatIsThere) {
  Map map;
  EXPECT_EQ(map.find(1), map.end());
  EXPECT_EQ(map.begin(), map.end());
  map[63] = 7;
  EXPECT_EQ(map.find(63)->second, 7);
  EXPECT_EQ(map.at(63), 7);
  EXPECT_EQ(map.begin()->first, 63);
  map.clear();
  EXPECT_TRUE(map.empty());
}

TEST(SharedHashMap, WhatTwoMapsShareIsNotCompared) {
  Map map;
  for (int key = 0; key < 6400; ++key) map[key] = key;
  Map changed = map;
  changed[17] = 17;
  size_t comparisons = 0;
  EXPECT_TRUE(Map::equal(map, changed, [&](int x, int y) {
    ++comparisons;
    return x == y;
  }));
  EXPECT_EQ(comparisons, 100u);  // of one of 64 parts
}

TEST(SharedHashMap, AtOfAnAbsentKeyThrowsAlsoInAnUnusedShard) {
  const SharedHashMap<int, int> empty;
  EXPECT_THROW(empty.at(1), std::out_of_range);
}

}  // namespace
}  // namespace keelson
