// parse: text -> Values. A file is cut at its `---` lines first, so that one broken document does
// not take the others with it. Limits hold before memory is spent: bytes, nesting, nodes (aliases
// count what they expand to). No exception of yaml-cpp or simdjson leaves. Pure, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "document/value.h"

namespace keelson::document {

inline constexpr size_t kDocumentBytesMax = 4u << 20;  // more: Reason::document_too_large
inline constexpr uint32_t kDepthMax = 64;              // more: Reason::document_too_deep
inline constexpr size_t kNodesMax = 500'000;           // more: Reason::document_too_large

// One document that could not be read.
struct BrokenDocument {
  Reason reason = Reason::syntax_error;
  uint32_t line = 0;        // of the error
  uint32_t first_line = 0;  // of the document
  std::string message;
  std::string fix;
  // What the text seems to be, from a scan of its lines: `kind:` at the margin and `name:` and
  // `namespace:` under `metadata:`. Empty where nothing was found.
  std::string kind, ns, name;
};

struct ParsedText {
  std::vector<Value> documents;  // empty documents are left out
  std::vector<BrokenDocument> broken;
};

// Never fails as a whole: too large a text is one BrokenDocument.
ParsedText parse_documents(std::string_view text);

// All or nothing. Error: the first broken document, context "file:line: message; fix".
Result<std::vector<Value>> parse_yaml(std::string_view text, const std::string& file_name);
Result<Value> parse_json(std::string_view text, const std::string& file_name);
// Of a machine's making: all lines are 0, in errors too.
Result<Value> parse_json_object(std::string_view text, const std::string& file_name);

}  // namespace keelson::document
