#include "tls/openssl_handle.h"

#include <openssl/err.h>

#include <array>

namespace keelson::tls {

void clear_openssl_errors() noexcept {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

std::string take_openssl_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no detail from OpenSSL";
  const char* reason = ERR_reason_error_string(code);
  if (reason != nullptr) return reason;
  std::array<char, 160> text{};
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

Failure fail_openssl(Reason reason, ErrorSource source, std::string_view context) {
  return fail(reason, source, std::string(context) + ": " + take_openssl_error());
}

}  // namespace keelson::tls
