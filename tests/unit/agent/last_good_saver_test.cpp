#include "last_good_saver.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/wait_until.h"

namespace keelson {
namespace {

class LastGoodSavers : public testing::Test {
 protected:
  LastGoodSavers() {
    char path[] = "/tmp/keelson-saver-XXXXXX";
    dir_ = std::string(::mkdtemp(path)) + "/last-good";
  }
  ~LastGoodSavers() override {
    std::filesystem::remove_all(std::filesystem::path(dir_).parent_path());
  }
  model::Copies on_disk() const {
    model::Copies copies;
    for (const auto& entry : std::filesystem::directory_iterator(dir_)) {
      std::ostringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      copies[entry.path().filename()] = text.str();
    }
    return copies;
  }
  std::string dir_;
};

TEST_F(LastGoodSavers, HaveTheNewestOnTheDiskBeforeTheyEnd) {
  const model::Copies newest{{"a.json", "9"}, {"c.json", "x"}};
  {
    LastGoodSaver saver(dir_);
    for (int i = 0; i < 9; i++) saver.save({{"a.json", std::to_string(i)}, {"b.json", "gone"}});
    saver.save(newest);
  }
  EXPECT_EQ(on_disk(), newest) << "no temporary file is left either";
}

TEST_F(LastGoodSavers, ThatCannotWriteOnceTryAgainWithTheNext) {
  const std::string parent = dir_ + "/missing";
  LastGoodSaver saver(parent + "/last-good");
  saver.save({{"a.json", "1"}});
  std::filesystem::create_directories(parent);
  saver.save({{"a.json", "2"}});
  EXPECT_TRUE(
      test::wait_until([&] { return std::filesystem::exists(parent + "/last-good/a.json"); }));
}

TEST(LastGoodSaver, EndsWithoutEverHavingSaved) {
  LastGoodSaver saver("/nowhere");
}

}  // namespace
}  // namespace keelson
