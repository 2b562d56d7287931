#include "source/directory/directory_source.h"

#include <gmock/gmock.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace keelson::source {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using State = FileChange::State;

class DirectorySourceTest : public testing::Test {
 protected:
  DirectorySourceTest() {
    char path[] = "/tmp/keelson-source-XXXXXX";
    root_ = ::mkdtemp(path);
    dir_ = root_ + "/manifests";
    fs::create_directory(dir_);
  }
  ~DirectorySourceTest() override { fs::remove_all(root_); }

  void start(std::vector<std::string> folders) {
    source_ = std::make_unique<DirectorySource>(std::move(folders));
    auto started = source_->start([this](std::vector<FileChange> changes) {
      ++calls_;
      changes_.insert(changes_.end(), changes.begin(), changes.end());
    });
    ASSERT_TRUE(started) << started.error().message();
  }
  void start() { start({dir_}); }

  // What was delivered since the last call, as "name=text", "name gone" or "name unreadable".
  std::vector<std::string> take() {
    std::vector<std::string> lines;
    for (const FileChange& change : changes_) {
      const std::string name = fs::path(change.file).filename();
      lines.push_back(change.state == State::kText   ? name + "=" + change.text
                      : change.state == State::kGone ? name + " gone"
                                                     : name + " unreadable");
    }
    changes_.clear();
    return lines;
  }
  // Handles all events that are queued; inotify queues them before the causing call returns.
  std::vector<std::string> pump() {
    pollfd poll{source_->fd(), POLLIN, 0};
    while (::poll(&poll, 1, 0) > 0) EXPECT_TRUE(source_->on_readable());
    return take();
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(dir_ + "/" + name) << text;
  }

  std::string root_, dir_;
  std::unique_ptr<DirectorySource> source_;
  std::vector<FileChange> changes_;
  int calls_ = 0;
};

TEST_F(DirectorySourceTest, TheFirstListingIsOneSortedCallAndSkipsWhatIsNoManifest) {
  for (const char* name : {"b.yml", "a.yaml", "c.json", ".hidden.yaml", "d.yaml~", "e.txt", "~"})
    write(name, name);
  fs::create_directory(dir_ + "/sub.yaml");
  start();
  EXPECT_EQ(calls_, 1);
  EXPECT_THAT(take(), ElementsAre("a.yaml=a.yaml", "b.yml=b.yml", "c.json=c.json"));
}

TEST_F(DirectorySourceTest, AnEmptyFolderStillCallsOnce) {
  start();
  EXPECT_EQ(calls_, 1);
  EXPECT_THAT(take(), IsEmpty());
}

TEST_F(DirectorySourceTest, WritesRenamesAndDeletesAreDelivered) {
  start();
  write("a.yaml", "1");
  EXPECT_THAT(pump(), ElementsAre("a.yaml=1"));
  write(".a.new", "2");
  EXPECT_THAT(pump(), IsEmpty());
  fs::rename(dir_ + "/.a.new", dir_ + "/a.yaml");
  EXPECT_THAT(pump(), ElementsAre("a.yaml=2"));
  fs::rename(dir_ + "/a.yaml", dir_ + "/b.yaml");
  EXPECT_THAT(pump(), ElementsAre("a.yaml gone", "b.yaml=2"));
  fs::remove(dir_ + "/b.yaml");
  EXPECT_THAT(pump(), ElementsAre("b.yaml gone"));
}

TEST_F(DirectorySourceTest, UnchangedTextIsNotDeliveredAgain) {
  write("a.yaml", "1");
  start();
  take();
  write("a.yaml", "1");
  EXPECT_THAT(pump(), IsEmpty());
  ASSERT_TRUE(source_->rescan());
  EXPECT_THAT(take(), IsEmpty());
}

TEST_F(DirectorySourceTest, AHalfWrittenFileIsNotRead) {
  write("a.yaml", "old");
  start();
  take();
  std::ofstream stream(dir_ + "/b.yaml");
  stream << "half" << std::flush;
  ::chmod((dir_ + "/b.yaml").c_str(), 0640);
  EXPECT_THAT(pump(), IsEmpty());
  stream << " whole";
  stream.close();
  EXPECT_THAT(pump(), ElementsAre("b.yaml=half whole"));
}

TEST_F(DirectorySourceTest, UnreadableFilesAreReportedUntilTheyAreMended) {
  std::ofstream(dir_ + "/big.yaml") << std::string(10u << 20, 'a');
  ASSERT_EQ(::mkfifo((dir_ + "/pipe.yaml").c_str(), 0600), 0);
  fs::create_symlink("loop.yaml", dir_ + "/loop.yaml");
  start();
  ASSERT_EQ(changes_.size(), 3u);
  EXPECT_EQ(changes_[0].error->reason, Reason::document_too_large);
  EXPECT_EQ(changes_[1].error->reason, Reason::file_unreadable);
  EXPECT_THAT(take(),
              ElementsAre("big.yaml unreadable", "loop.yaml unreadable", "pipe.yaml unreadable"));
  write("big.yaml", "small");
  fs::remove(dir_ + "/pipe.yaml");
  EXPECT_THAT(pump(), ElementsAre("big.yaml=small", "pipe.yaml gone"));
}

TEST_F(DirectorySourceTest, AFolderThatDisappearsKeepsItsFilesUntilItIsBack) {
  write("a.yaml", "1");
  write("b.yaml", "2");
  start();
  take();
  fs::rename(dir_, root_ + "/away");
  EXPECT_THAT(pump(), ElementsAre("manifests unreadable"));
  fs::create_directory(dir_);
  write("a.yaml", "1");
  write("c.yaml", "3");
  EXPECT_THAT(pump(), testing::UnorderedElementsAre("manifests gone", "b.yaml gone", "c.yaml=3"));
  write("a.yaml", "4");
  EXPECT_THAT(pump(), ElementsAre("a.yaml=4"));
}

TEST_F(DirectorySourceTest, ADeletedAndRecreatedFolderIsWatchedAgain) {
  write("a.yaml", "1");
  start();
  take();
  fs::remove_all(dir_);
  fs::create_directory(dir_);
  pump();
  write("z.yaml", "5");
  EXPECT_THAT(pump(), ElementsAre("z.yaml=5"));
}

TEST_F(DirectorySourceTest, AMissingFolderIsReportedAndReadOnceItExists) {
  fs::remove(dir_);
  start();
  EXPECT_THAT(take(), ElementsAre("manifests unreadable"));
  fs::create_directory(dir_);
  write("a.yaml", "1");
  EXPECT_THAT(pump(), testing::UnorderedElementsAre("manifests gone", "a.yaml=1"));
  DirectorySource orphan({root_ + "/no/such/parent/x"});
  EXPECT_FALSE(orphan.start([](std::vector<FileChange>) {}));
}

TEST_F(DirectorySourceTest, TwoFoldersAreWatchedAlsoWhenOneHoldsTheOther) {
  fs::create_directory(dir_ + "/nodes");
  start({dir_, dir_ + "/nodes"});
  write("a.yaml", "1");
  write("nodes/n.yaml", "2");
  EXPECT_THAT(pump(), ElementsAre("a.yaml=1", "n.yaml=2"));
  fs::remove_all(dir_ + "/nodes");
  pump();
  write("a.yaml", "3");
  EXPECT_THAT(pump(), ElementsAre("a.yaml=3"));
}

TEST_F(DirectorySourceTest, AConfigMapSwitchIsSeen) {
  fs::create_directory(dir_ + "/..v1");
  fs::create_directory(dir_ + "/..v2");
  write("..v1/a.yaml", "1");
  write("..v2/a.yaml", "2");
  fs::create_symlink("..v1", dir_ + "/..data");
  fs::create_symlink("..data/a.yaml", dir_ + "/a.yaml");
  start();
  EXPECT_THAT(take(), ElementsAre("a.yaml=1"));
  fs::create_symlink("..v2", dir_ + "/..tmp");
  fs::rename(dir_ + "/..tmp", dir_ + "/..data");
  EXPECT_THAT(pump(), ElementsAre("a.yaml=2"));
}

TEST_F(DirectorySourceTest, AQueueOverflowLosesNothing) {
  start();
  std::ifstream limit("/proc/sys/fs/inotify/max_queued_events");
  int events = 0;
  ASSERT_TRUE(limit >> events);
  write("a.yaml", "x");
  write("b.yaml", "x");
  // Two names in turn: the kernel merges equal events that follow each other.
  const std::string a = dir_ + "/a.yaml", b = dir_ + "/b.yaml";
  for (int i = 0; i < events; ++i) ASSERT_EQ(::chmod(i % 2 == 0 ? a.c_str() : b.c_str(), 0600), 0);
  write("last.yaml", "seen");
  EXPECT_THAT(pump(), ElementsAre("a.yaml=x", "b.yaml=x", "last.yaml=seen"));
}

TEST_F(DirectorySourceTest, StopClosesTheDescriptor) {
  start();
  source_->stop();
  EXPECT_EQ(source_->fd(), -1);
  EXPECT_FALSE(source_->rescan());
}

}  // namespace
}  // namespace keelson::source
