#include "ca/server/pod_text.h"

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace keelson::ca {
namespace {

using Phase = PodRecord::Phase;
constexpr std::string_view kMirror = "kubernetes.io/config.mirror";

Phase phase_of(const std::string& text, Phase if_none) {
  if (text.empty()) return if_none;
  if (text == "Pending") return Phase::kPending;
  if (text == "Running") return Phase::kRunning;
  if (text == "Succeeded") return Phase::kSucceeded;
  if (text == "Failed") return Phase::kFailed;
  return Phase::kUnknown;
}

}  // namespace

const document::Value* value_at(const document::Value& value,
                                std::initializer_list<std::string_view> path) noexcept {
  const document::Value* at = &value;
  for (const std::string_view key : path)
    if (at != nullptr) at = at->find(key);
  return at;
}

std::string text_at(const document::Value& value, std::initializer_list<std::string_view> path) {
  const document::Value* found = value_at(value, path);
  return found == nullptr ? std::string() : found->text();
}

std::optional<WallTime> parse_utc(std::string_view text) noexcept {
  constexpr std::string_view kForm = "0000-00-00T00:00:00";
  if (text.size() <= kForm.size() || text.back() != 'Z') return std::nullopt;
  for (size_t i = 0; i < kForm.size(); ++i) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == '0' ? !is_digit : text[i] != kForm[i]) return std::nullopt;
  }
  const std::string_view fraction = text.substr(kForm.size(), text.size() - kForm.size() - 1);
  if (!fraction.empty() && (fraction.front() != '.' || fraction.size() == 1 ||
                            fraction.find_first_not_of("0123456789", 1) != std::string_view::npos))
    return std::nullopt;
  const auto number = [text](size_t at, size_t size) {
    int value = 0;
    for (const char digit : text.substr(at, size)) value = value * 10 + (digit - '0');
    return value;
  };
  std::tm parts{};
  parts.tm_year = number(0, 4) - 1900;
  parts.tm_mon = number(5, 2) - 1;
  parts.tm_mday = number(8, 2);
  parts.tm_hour = number(11, 2);
  parts.tm_min = number(14, 2);
  parts.tm_sec = number(17, 2);
  if (parts.tm_mon < 0 || parts.tm_mon > 11 || parts.tm_mday < 1 || parts.tm_mday > 31 ||
      parts.tm_hour > 23 || parts.tm_min > 59 || parts.tm_sec > 60)
    return std::nullopt;
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

PodRecord decode_pod(const document::Value& pod, Phase phase_if_none) {
  PodRecord record;
  record.ns = text_at(pod, {"metadata", "namespace"});
  record.name = text_at(pod, {"metadata", "name"});
  record.uid = text_at(pod, {"metadata", "uid"});
  record.node = text_at(pod, {"spec", "nodeName"});
  record.service_account = text_at(pod, {"spec", "serviceAccountName"});
  record.phase = phase_of(text_at(pod, {"status", "phase"}), phase_if_none);
  const document::Value* host = value_at(pod, {"spec", "hostNetwork"});
  record.host_network = host != nullptr && !host->is_null() && host->text() != "false";
  record.is_mirror = value_at(pod, {"metadata", "annotations", kMirror}) != nullptr;
  if (const auto* deleted = value_at(pod, {"metadata", "deletionTimestamp"});
      deleted != nullptr && !deleted->is_null())
    record.ends_at = parse_utc(deleted->text()).value_or(WallTime());
  return record;
}

}  // namespace keelson::ca
