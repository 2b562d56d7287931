#include "proxy/access_log.h"

#include <fmt/chrono.h>
#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <nlohmann/json.hpp>

namespace keelson::proxy {
namespace {

using Json = nlohmann::ordered_json;

const char* path_name(Path path) noexcept {
  switch (path) {
    case Path::kOutbound:
      return "outbound";
    case Path::kInbound:
      return "inbound";
    case Path::kPlain:
      return "plain";
  }
  return "unknown";
}

std::string time_text(WallTime time) {
  const auto millis =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const auto seconds = static_cast<std::time_t>(millis / 1000);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), millis % 1000);
}

void add(Json& line, const char* name, const std::string& value) {
  if (!value.empty()) line[name] = value;
}

void add_http(Json& line, const HttpRecord& http) {
  line["method"] = http.method;
  add(line, "authority", http.authority);
  line["http_path"] = http.path;
  line["status"] = http.status;
  add(line, "rule", http.rule);
  add(line, "backend", http.backend);
  line["attempts"] = http.attempts;
}

}  // namespace

std::string to_json_line(const AccessRecord& record) {
  Json line;
  line["time"] = time_text(record.time);
  line["path"] = path_name(record.path);
  line["reason"] = reason_name(record.reason);
  add(line, "source", record.source);
  add(line, "source_identity", record.source_identity);
  add(line, "source_address", record.source_address);
  add(line, "destination", record.destination);
  add(line, "destination_identity", record.destination_identity);
  add(line, "destination_address", record.destination_address);
  add(line, "service", record.service);
  if (record.http) add_http(line, *record.http);
  add(line, "policy", record.policy);
  line["bytes_sent"] = record.bytes_sent;
  line["bytes_received"] = record.bytes_received;
  line["duration_ms"] = static_cast<double>(record.duration.count()) / 1000;
  line["generation"] = record.generation;
  add(line, "detail", record.detail);
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<std::unique_ptr<SpdlogAccessLog>> SpdlogAccessLog::open(const std::string& path,
                                                               size_t lines_max) {
  std::unique_ptr<SpdlogAccessLog> made(new SpdlogAccessLog);
  try {
    spdlog::sink_ptr sink;
    if (path.empty())
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    else
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
    made->thread_ = std::make_shared<spdlog::details::thread_pool>(lines_max, 1);
    made->log_ = std::make_shared<spdlog::async_logger>(
        "access", std::move(sink), made->thread_, spdlog::async_overflow_policy::overrun_oldest);
    made->log_->set_pattern("%v");
    if (!path.empty()) made->log_->flush_on(spdlog::level::info);
  } catch (const spdlog::spdlog_ex& error) {
    return fail(Reason::io_error, ErrorSource::kConfig, error.what());
  }
  return made;
}

// The thread first: it writes what is queued, and has let go of the logger once it is joined.
SpdlogAccessLog::~SpdlogAccessLog() {
  thread_.reset();
}

void SpdlogAccessLog::write(const AccessRecord& record) {
  log_->info(to_json_line(record));
}

uint64_t SpdlogAccessLog::dropped() const {
  return thread_->overrun_counter();
}

}  // namespace keelson::proxy
