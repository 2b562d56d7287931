#include "source/directory/directory_source.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/content_id.h"
#include "document/parse.h"

namespace keelson::source {
namespace {

// IN_CREATE matters for links only: a new regular file is empty until it is closed.
constexpr uint32_t kFolderEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                   IN_CREATE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;
constexpr uint32_t kParentEvents = IN_CREATE | IN_MOVED_TO;

FileChange unreadable(const std::string& path, Error error) {
  FileChange change;
  change.file = path;
  change.state = FileChange::State::kUnreadable;
  change.error = std::move(error);
  return change;
}

FileChange gone(const std::string& path) {
  FileChange change;
  change.file = path;
  change.state = FileChange::State::kGone;
  return change;
}

Error config_error(Reason reason, std::string context) {
  return {reason, ErrorSource::kConfig, false, 0, std::move(context)};
}

// O_NONBLOCK: a FIFO with a manifest's name must not hang the agent.
FileChange read_manifest(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd && errno == ENOENT) return gone(path);
  if (!fd) return unreadable(path, fail_errno(Reason::file_unreadable, errno, path).value());
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0)
    return unreadable(path, fail_errno(Reason::file_unreadable, errno, path).value());
  if (S_ISDIR(info.st_mode)) return gone(path);
  if (!S_ISREG(info.st_mode))
    return unreadable(path, config_error(Reason::file_unreadable, path + ": not a regular file"));
  FileChange change;
  change.file = path;
  char buffer[65536];
  while (change.text.size() <= document::kDocumentBytesMax) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(path, fail_errno(Reason::file_unreadable, errno, path).value());
    if (got == 0) return change;
    change.text.append(buffer, static_cast<size_t>(got));
  }
  return unreadable(
      path, config_error(Reason::document_too_large,
                         path + ": more than " + std::to_string(document::kDocumentBytesMax) +
                             " bytes; split the file"));
}

bool is_link(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 && (S_ISLNK(info.st_mode) || info.st_nlink > 1);
}

}  // namespace

bool is_manifest_name(std::string_view name) noexcept {
  if (name.empty() || name.front() == '.' || name.back() == '~') return false;
  return name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
}

DirectorySource::DirectorySource(std::vector<std::string> directories) {
  for (std::string& path : directories) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    Folder folder;
    const size_t slash = path.rfind('/');
    folder.parent = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
    folder.name = slash == std::string::npos ? path : path.substr(slash + 1);
    folder.path = std::move(path);
    folders_.push_back(std::move(folder));
  }
}

Result<void> DirectorySource::start(OnChange on_change) {
  Fd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify) return fail_errno(Reason::io_error, errno, "inotify_init1");
  // The parents come first, so that a folder made in between is not missed.
  for (Folder& folder : folders_) {
    folder.parent_watch = ::inotify_add_watch(inotify.get(), folder.parent.c_str(),
                                              kParentEvents | IN_ONLYDIR | IN_MASK_ADD);
    if (folder.parent_watch < 0) return fail_errno(Reason::file_unreadable, errno, folder.parent);
  }
  inotify_ = std::move(inotify);
  on_change_ = std::move(on_change);
  known_.clear();
  std::set<std::string> files;
  std::vector<FileChange> changes;
  for (Folder& folder : folders_) scan_folder(folder, files, changes);
  for (const std::string& file : files) add_change(read_manifest(file), changes);
  std::ranges::sort(changes, {}, &FileChange::file);
  on_change_(std::move(changes));
  return {};
}

void DirectorySource::stop() {
  inotify_.reset();
  on_change_ = nullptr;
  for (Folder& folder : folders_) folder.watch = folder.parent_watch = -1;
}

Result<void> DirectorySource::on_readable() {
  KS_ASSIGN(Pending pending, read_events());
  if (pending.rescan_all) return rescan();
  std::vector<FileChange> changes;
  for (const size_t index : pending.rescan_folders)
    scan_folder(folders_[index], pending.files, changes);
  deliver(pending.files, std::move(changes));
  return {};
}

Result<void> DirectorySource::rescan() {
  if (!inotify_) return fail(Reason::internal, ErrorSource::kInternal, "source is not started");
  std::set<std::string> files;
  std::vector<FileChange> changes;
  for (Folder& folder : folders_) scan_folder(folder, files, changes);
  deliver(files, std::move(changes));
  return {};
}

Result<DirectorySource::Pending> DirectorySource::read_events() {
  Pending pending;
  alignas(inotify_event) char buffer[16384];
  while (true) {
    const ssize_t got = ::read(inotify_.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return pending;
    if (got < 0) return fail_errno(Reason::io_error, errno, "read from inotify");
    for (ssize_t at = 0; at < got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      // The kernel pads the name with zeros up to len.
      const std::string_view name =
          event->len == 0 ? std::string_view() : std::string_view(event->name);
      note_event(event->mask, event->wd, name, pending);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
  }
}

void DirectorySource::note_event(uint32_t mask, int watch, std::string_view name,
                                 Pending& pending) {
  if ((mask & IN_Q_OVERFLOW) != 0) pending.rescan_all = true;
  for (size_t i = 0; i < folders_.size(); ++i) {
    Folder& folder = folders_[i];
    if (watch == folder.parent_watch && name == folder.name && (mask & kParentEvents) != 0)
      pending.rescan_folders.insert(i);
    if (watch != folder.watch || watch < 0) continue;
    if ((mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0) {
      if ((mask & IN_IGNORED) != 0) folder.watch = -1;
      pending.rescan_folders.insert(i);
    } else if (name.starts_with("..")) {
      pending.rescan_folders.insert(i);  // `..data` was switched: every link has a new target
    } else if (is_manifest_name(name)) {
      std::string path = folder.path + "/" + std::string(name);
      if ((mask & IN_CREATE) != 0 && !is_link(path)) continue;
      if ((mask & IN_ATTRIB) != 0) {
        // A file in the middle of being written must not be read; one that was unreadable may
        // just have got its permissions.
        const auto known = known_.find(path);
        if (known == known_.end() || known->second.state != FileChange::State::kUnreadable)
          continue;
      }
      pending.files.insert(std::move(path));
    }
  }
}

// Follows the path to whatever folder stands there now.
void DirectorySource::watch_folder(Folder& folder) {
  const int watch = ::inotify_add_watch(inotify_.get(), folder.path.c_str(),
                                        kFolderEvents | IN_ONLYDIR | IN_MASK_ADD);
  const int add_errno = errno;
  const bool is_shared = std::ranges::any_of(folders_, [&folder](const Folder& other) {
    return folder.watch == other.parent_watch || (&other != &folder && folder.watch == other.watch);
  });
  if (folder.watch >= 0 && folder.watch != watch && !is_shared)
    ::inotify_rm_watch(inotify_.get(), folder.watch);
  folder.watch = watch;
  errno = add_errno;
}

void DirectorySource::scan_folder(Folder& folder, std::set<std::string>& to_read,
                                  std::vector<FileChange>& changes) {
  watch_folder(folder);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(
      folder.watch < 0 ? nullptr : ::opendir(folder.path.c_str()), ::closedir);
  if (stream == nullptr) return report_folder(folder, errno, changes);
  if (folder.missing) add_change(gone(folder.path), changes);
  folder.missing = false;
  const std::string prefix = folder.path + "/";
  while (const dirent* entry = ::readdir(stream.get()))
    if (is_manifest_name(entry->d_name)) to_read.insert(prefix + entry->d_name);
  for (const auto& [file, known] : known_)
    if (file.starts_with(prefix) && file.find('/', prefix.size()) == std::string::npos)
      to_read.insert(file);
}

void DirectorySource::report_folder(Folder& folder, int os_errno,
                                    std::vector<FileChange>& changes) {
  folder.missing = true;
  add_change(
      unreadable(folder.path, fail_errno(Reason::file_unreadable, os_errno, folder.path).value()),
      changes);
}

// Drops what says the same as before.
void DirectorySource::add_change(FileChange change, std::vector<FileChange>& changes) {
  const auto before = known_.find(change.file);
  if (change.state == FileChange::State::kGone) {
    if (before == known_.end()) return;
    known_.erase(before);
    changes.push_back(std::move(change));
    return;
  }
  const uint64_t content = content_id(change.error ? change.error->message() : change.text);
  if (before != known_.end() && before->second.state == change.state &&
      before->second.content == content)
    return;
  known_[change.file] = {change.state, content};
  changes.push_back(std::move(change));
}

void DirectorySource::deliver(const std::set<std::string>& files, std::vector<FileChange> changes) {
  for (const std::string& file : files) add_change(read_manifest(file), changes);
  if (changes.empty()) return;
  std::ranges::sort(changes, {}, &FileChange::file);
  on_change_(std::move(changes));
}

}  // namespace keelson::source
