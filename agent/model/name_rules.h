// name_rules: what Kubernetes allows in names, labels and ports, and the nearest name for "did you
// mean". Pure, any thread. Reference: k8s.io/apimachinery pkg/util/validation.
#pragma once

#include <span>
#include <string_view>

namespace keelson::model {

bool is_dns_label(std::string_view text) noexcept;      // RFC 1123 label, at most 63
bool is_dns_subdomain(std::string_view text) noexcept;  // labels joined by dots, at most 253
bool is_label_key(std::string_view text) noexcept;      // [prefix/]name
bool is_label_value(std::string_view text) noexcept;    // may be empty, at most 63
bool is_port_name(std::string_view text) noexcept;      // IANA_SVC_NAME: at most 15, a letter in it
// Of a reference; the Gateway API's own pages write "core" for the group that is called "".
bool is_service_kind(std::string_view group, std::string_view kind) noexcept;

// The candidate nearest to `word`; empty when none is near enough to be a slip.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace keelson::model
