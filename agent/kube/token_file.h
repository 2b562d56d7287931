// TokenFile: a bearer token in a file that somebody else renews (kubelet swaps a link, a person
// writes). Read again when the file is another one or has changed, and every minute besides.
#pragma once

#include <sys/stat.h>

#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace keelson::kube {

inline constexpr size_t kCredentialBytesMax = 1u << 20;

// Error: credentials_unusable.
Result<std::string> read_credential(const std::string& path);

class TokenFile {
 public:
  TokenFile(std::string path, const Clock& clock) : path_(std::move(path)), clock_(clock) {}

  // Error: credentials_unusable; a token read before serves while the file is missing.
  Result<std::string> token();

 private:
  const std::string path_;
  const Clock& clock_;
  std::string token_;
  struct stat seen_ {};
  MonotonicTime read_at_;
};

}  // namespace keelson::kube
