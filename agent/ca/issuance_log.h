// IssuanceLog: what the CA signed and what it refused, one JSON object a line, append-only.
// Sync policy: a certificate's line is on disk (fdatasync) before the certificate leaves; if it
// cannot be written, nothing is issued. A refusal's line is written but not synced, so that a
// refused caller cannot buy disk waits, and a failure to write it is only counted. With a copy
// descriptor (stdout in a Deployment) each line goes there too; a pipe cannot be synced.
// reopen() after the file was moved away. One thread; blocks for as long as the disk does.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "ca/sign_rules.h"
#include "tls/spiffe_id.h"

namespace keelson::ca {

struct IssuanceRecord {
  WallTime time;
  std::optional<Caller> caller;  // empty: refused before anybody was proven
  std::string ns;                // as asked for
  std::string service_account;
  // Refusals.
  Reason refused = Reason::none;
  std::string detail;
  // Certificates.
  std::string spiffe_id;
  std::string pod_ns, pod_name, pod_uid;  // the evidence
  std::string serial;                     // hexadecimal
  std::string fingerprint;                // SHA-256 of the leaf's DER, hexadecimal
  WallTime not_after;
};

// One line with its end. Pure. Whatever stands in a field, it is one JSON object of one line.
std::string issuance_line(const IssuanceRecord& record);

class IssuanceLog {
 public:
  struct Options {
    std::string file;  // empty: none; else 0600, created when missing, its folder must exist
    int copy_fd = -1;  // borrowed
  };
  // Error: io_error, authority_state_unsafe (the file is another user's, or readable by others).
  static Result<std::unique_ptr<IssuanceLog>> open(Options options);

  // Error: issuance_log_failed.
  Result<void> write_issued(const IssuanceRecord& record);
  void write_refused(const IssuanceRecord& record);
  // On failure the old file stays in use.
  Result<void> reopen();
  uint64_t failures() const noexcept { return failures_; }

 private:
  explicit IssuanceLog(Options options) noexcept : options_(std::move(options)) {}
  Result<void> write(const IssuanceRecord& record);

  const Options options_;
  Fd file_;
  uint64_t failures_ = 0;
};

}  // namespace keelson::ca
