// The CA's files: read and replaced as wholes, refused when another user could read or write them.
// Blocking; the CA's only thread. Knows nothing of what the files hold.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "base/result.h"
#include "tls/openssl_handle.h"

namespace keelson::ca {

// Creates the folder (0700) when it is missing. Error: authority_state_unsafe, io_error.
Result<Fd> open_state_folder(const std::string& path);

// Holds the folder for this object's life: of several processes that share it, one at a time makes
// or rotates a root. Waits for the others. Only between openers: an Fd locked twice is locked once.
class FolderLock {
 public:
  // `folder` outlives the lock. Error: io_error.
  static Result<FolderLock> take(const Fd& folder);
  FolderLock(FolderLock&& other) noexcept : folder_(std::exchange(other.folder_, -1)) {}
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int folder) noexcept : folder_(folder) {}
  int folder_;
};

// nullopt: there is no such file. Error: authority_state_unsafe unless it is a regular file, 0600,
// ours, with one name; authority_state_invalid when larger than 64 KiB.
Result<std::optional<tls::SecretBytes>> read_state_file(const Fd& folder, const char* name);

// Atomic and durable: temporary file, fsync, rename, fsync of the folder.
Result<void> replace_state_file(const Fd& folder, const char* name, std::string_view content);
Result<void> rename_state_file(const Fd& folder, const char* from, const char* to);
Result<void> remove_state_file(const Fd& folder, const char* name);
Result<Fd> open_state_log(const Fd& folder, const char* name);

}  // namespace keelson::ca
