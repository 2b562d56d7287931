#include "base/result.h"

namespace keelson {

std::string Error::message() const {
  std::string text = context;
  if (!text.empty()) text += ": ";
  text += reason_text(reason);
  if (os_errno != 0) {
    text += " (";
    text += std::strerror(os_errno);
    text += ')';
  }
  return text;
}

}  // namespace keelson
