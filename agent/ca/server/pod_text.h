// pod_text: a Pod object, as the API server or a folder has it, as the CA's PodRecord. Pure, any
// thread. What cannot be read never makes a pod look alive: an unreadable deletion time is over.
#pragma once

#include <optional>
#include <string_view>

#include "ca/sign_rules.h"
#include "document/value.h"

namespace keelson::ca {

// `phase_if_none`: for objects without a status.
PodRecord decode_pod(const document::Value& pod, PodRecord::Phase phase_if_none);

// RFC 3339 in UTC, as Kubernetes writes times ("2026-11-28T07:00:00Z", perhaps with a fraction).
std::optional<WallTime> parse_utc(std::string_view text) noexcept;

// The scalar at a path of keys; empty when there is none.
std::string text_at(const document::Value& value, std::initializer_list<std::string_view> path);
const document::Value* value_at(const document::Value& value,
                                std::initializer_list<std::string_view> path) noexcept;

}  // namespace keelson::ca
