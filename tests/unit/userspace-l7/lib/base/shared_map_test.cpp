// SharedMap against std::map, over random edits of copies that share.
#include "base/shared_map.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace keelson {
namespace {

using Map = SharedMap<int, std::string>;
using Model = std::map<int, std::string>;

Model content(const Map& map) {
  Model all;
  int before = -1;
  for (const auto& [key, value] : map) {
    EXPECT_LT(before, key);
    before = key;
    all.emplace(key, value);
  }
  return all;
}

struct Difference {
  int key;
  std::string before, after;  // empty: not there
  friend bool operator==(const Difference&, const Difference&) = default;
};
std::vector<Difference> differences(const Map& a, const Map& b) {
  std::vector<Difference> found;
  Map::differences(a, b, [&](int key, const std::string* before, const std::string* after) {
    found.push_back({key, before != nullptr ? *before : "", after != nullptr ? *after : ""});
  });
  return found;
}
std::vector<Difference> differences(const Model& a, const Model& b) {
  std::map<int, Difference> found;
  for (const auto& [key, value] : a) found[key] = {key, value, ""};
  for (const auto& [key, value] : b) found[key] = {key, found[key].before, value};
  std::vector<Difference> all;
  for (const auto& [key, difference] : found)
    if (difference.before != difference.after) all.push_back(difference);
  return all;
}

void edit(Map& map, Model& model, std::mt19937& random, int keys) {
  const int key = static_cast<int>(random() % static_cast<unsigned>(keys));
  const std::string value = std::to_string(random() % 5 + 1);
  switch (random() % 5) {
    case 0:
      EXPECT_EQ(map.emplace(key, value).second, model.emplace(key, value).second);
      break;
    case 1:
      map[key] = value;
      model[key] = value;
      break;
    case 2: {
      const bool changes = !model.contains(key) || model[key] != value;
      EXPECT_EQ(map.insert_or_assign(key, value), changes);
      model[key] = value;
      break;
    }
    default:
      EXPECT_EQ(map.erase(key), model.erase(key));
  }
}

TEST(SharedMap, IsAnOrderedMapWhateverItSharesWithOthers) {
  for (const int keys : {20, 300, 5000}) {
    std::mt19937 random(static_cast<unsigned>(keys));
    Map map, before;
    Model model, model_before;
    for (int step = 0; step < 20'000; ++step) {
      edit(map, model, random, keys);
      ASSERT_EQ(map.size(), model.size());
      if (step % 500 != 0) continue;
      ASSERT_EQ(content(map), model);
      ASSERT_EQ(content(before), model_before) << "a copy changed with its origin";
      ASSERT_EQ(differences(before, map), differences(model_before, model));
      ASSERT_EQ(before == map, model_before == model);
      before = map;
      model_before = model;
    }
  }
}

TEST(SharedMap, FindsWhatIsThereAndTheNextOne) {
  Map map;
  for (int key = 0; key < 2000; key += 2) map.emplace(key, std::to_string(key));
  EXPECT_EQ(map.find(1998)->second, "1998");
  EXPECT_EQ(map.find(1), map.end());
  EXPECT_EQ(map.lower_bound(1001)->first, 1002);
  EXPECT_EQ(map.lower_bound(1999), map.end());
  EXPECT_EQ(map.at(0), "0");
  EXPECT_THROW(map.at(3), std::out_of_range);
  EXPECT_TRUE(map.contains(254));
  map.clear();
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(map.find(0), map.end());
}

TEST(SharedMap, ADifferenceCostsTheLeavesThatItConcerns) {
  struct Counted {
    int value = 0;
    size_t* comparisons = nullptr;
    bool operator==(const Counted& other) const {
      ++*comparisons;
      return value == other.value;
    }
  };
  size_t comparisons = 0;
  SharedMap<int, Counted> map;
  for (int key = 0; key < 10'000; ++key) map.emplace(key, Counted{key, &comparisons});
  SharedMap<int, Counted> changed = map;
  changed.insert_or_assign(5000, Counted{-1, &comparisons});
  comparisons = 0;
  size_t found = 0;
  SharedMap<int, Counted>::differences(map, changed, [&](auto&&...) { ++found; });
  EXPECT_EQ(found, 1u);
  EXPECT_LT(comparisons, 200u);
}

}  // namespace
}  // namespace keelson
