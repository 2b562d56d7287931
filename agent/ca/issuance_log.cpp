#include "ca/issuance_log.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/utc_text.h"

namespace keelson::ca {
namespace {

using Json = nlohmann::ordered_json;
constexpr size_t kTextBytesMax = 300;  // of what a caller may have written; more is cut off

std::string bounded(const std::string& text) {
  return text.substr(0, kTextBytesMax);
}

Result<Fd> open_log_file(const std::string& path) {
  Fd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
                 0600));
  if (!file) return fail_errno(Reason::io_error, errno, "opening the issuance log " + path);
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return fail_errno(Reason::io_error, errno, path);
  if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 0077) != 0)
    return fail(Reason::authority_state_unsafe, ErrorSource::kConfig,
                path + " must be a regular file of this user with mode 0600");
  return file;
}

// One write a line: with O_APPEND it is never torn by another writer.
bool write_line(int fd, const std::string& line) {
  size_t sent = 0;
  while (sent < line.size()) {
    const ssize_t written = ::write(fd, line.data() + sent, line.size() - sent);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    sent += static_cast<size_t>(written);
  }
  return true;
}

}  // namespace

std::string issuance_line(const IssuanceRecord& record) {
  const bool is_issued = record.refused == Reason::none;
  Json line{{"time", utc_text(record.time)}, {"event", is_issued ? "issued" : "refused"}};
  if (record.caller) {
    line["node"] = record.caller->node;
    line["node_uid"] = record.caller->node_uid;
    line["agent_pod"] = record.caller->pod_name;
    line["agent_pod_uid"] = record.caller->pod_uid;
  }
  line["namespace"] = bounded(record.ns);
  line["service_account"] = bounded(record.service_account);
  if (is_issued) {
    line["id"] = record.spiffe_id;
    line["pod"] = record.pod_ns + "/" + record.pod_name;
    line["pod_uid"] = record.pod_uid;
    line["serial"] = record.serial;
    line["fingerprint_sha256"] = record.fingerprint;
    line["not_after"] = utc_text(record.not_after);
  } else {
    line["reason"] = reason_name(record.refused);
    line["detail"] = bounded(record.detail);
  }
  return line.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

Result<std::unique_ptr<IssuanceLog>> IssuanceLog::open(Options options) {
  std::unique_ptr<IssuanceLog> log(new IssuanceLog(std::move(options)));
  KS_TRY(log->reopen());
  return log;
}

Result<void> IssuanceLog::reopen() {
  if (options_.file.empty()) return {};
  KS_ASSIGN(file_, open_log_file(options_.file));
  return {};
}

Result<void> IssuanceLog::write(const IssuanceRecord& record) {
  const std::string line = issuance_line(record);
  const bool ok = (!file_ || write_line(file_.get(), line)) &&
                  (options_.copy_fd < 0 || write_line(options_.copy_fd, line));
  if (ok) return {};
  ++failures_;
  return fail_errno(Reason::issuance_log_failed, errno, options_.file);
}

Result<void> IssuanceLog::write_issued(const IssuanceRecord& record) {
  KS_TRY(write(record));
  if (!file_ || fdatasync(file_.get()) == 0) return {};
  ++failures_;
  return fail_errno(Reason::issuance_log_failed, errno, options_.file);
}

void IssuanceLog::write_refused(const IssuanceRecord& record) {
  const auto written = write(record);
  static_cast<void>(written);  // counted there
}

}  // namespace keelson::ca
