#include "serving/handler.h"

#include <optional>
#include <utility>

namespace keelson::serving {
namespace {

int hex_value(char digit) noexcept {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

// RFC 3986 2.1; '+' stays '+'.
std::optional<std::string> decode(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    char byte = text[i];
    if (byte == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      byte = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f) return std::nullopt;
    plain += byte;
  }
  return plain;
}

}  // namespace

// Names and texts of reasons hold nothing that JSON would escape.
Response refusal(int status, Reason reason) {
  return {status, "application/json",
          "{\"error\":{\"code\":\"" + std::string(reason_name(reason)) + "\",\"message\":\"" +
              std::string(reason_text(reason)) + "\",\"next\":\"\"}}\n",
          nullptr};
}

Result<Request> parse_target(std::string_view target) {
  const auto refuse = [] {
    return fail(Reason::bad_value, ErrorSource::kDownstream, "request target");
  };
  const auto mark = target.find('?');
  Request request;
  auto path = decode(target.substr(0, mark));
  if (!path || !path->starts_with('/')) return refuse();
  request.path = std::move(*path);
  std::string_view rest = mark == std::string_view::npos ? "" : target.substr(mark + 1);
  while (!rest.empty()) {
    const auto end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    auto name = decode(pair.substr(0, equals));
    auto value = decode(equals == std::string_view::npos ? "" : pair.substr(equals + 1));
    if (!name || !value) return refuse();
    request.query.insert_or_assign(std::move(*name), std::move(*value));
  }
  return request;
}

}  // namespace keelson::serving
