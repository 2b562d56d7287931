// DirectorySource: one or more folders of manifests (*.yaml, *.yml, *.json; no subfolders, no
// hidden or backup files), watched by inotify. A file is read again when it is closed after
// writing, renamed in, or replaced through a `..data` link (ConfigMap volumes). A folder that
// disappears takes nothing with it: its files keep their last text until it is back, and it is
// delivered as an unreadable file under its own name meanwhile. One thread; no timers: the owner
// polls fd(), and may call rescan() where inotify is not to be trusted (network file systems).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "source/object_source.h"

namespace keelson::source {

class DirectorySource final : public ObjectSource {
 public:
  explicit DirectorySource(std::vector<std::string> directories);

  // Calls on_change once before it returns, even with nothing found.
  Result<void> start(OnChange on_change) override;
  void stop() override;
  // Readable: call on_readable(). -1 before start and after stop. Stable while started.
  int fd() const noexcept { return inotify_.get(); }
  Result<void> on_readable();
  Result<void> rescan();

 private:
  struct Folder {
    std::string path, parent, name;
    int watch = -1;
    int parent_watch = -1;
    bool missing = false;
  };
  struct Known {  // what was delivered last under a name
    FileChange::State state = FileChange::State::kText;
    uint64_t content = 0;  // content_id of the text, or of the error's message
  };
  struct Pending {  // what a batch of events asks for
    bool rescan_all = false;
    std::set<size_t> rescan_folders;
    std::set<std::string> files;
  };

  Result<Pending> read_events();
  void note_event(uint32_t mask, int watch, std::string_view name, Pending& pending);
  void watch_folder(Folder& folder);
  void scan_folder(Folder& folder, std::set<std::string>& to_read,
                   std::vector<FileChange>& changes);
  void deliver(const std::set<std::string>& files, std::vector<FileChange> changes);
  void add_change(FileChange change, std::vector<FileChange>& changes);
  void report_folder(Folder& folder, int os_errno, std::vector<FileChange>& changes);

  std::vector<Folder> folders_;
  std::map<std::string, Known> known_;
  OnChange on_change_;
  Fd inotify_;
};

// True for the names that DirectorySource reads.
bool is_manifest_name(std::string_view name) noexcept;

}  // namespace keelson::source
