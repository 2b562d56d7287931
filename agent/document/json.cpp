#include <simdjson.h>

#include <algorithm>
#include <map>

#include "document/parse.h"

namespace keelson::document {
namespace {

namespace ondemand = simdjson::ondemand;

struct Refused {
  Reason reason;
  uint32_t line;
  std::string message;
};

// Walks simdjson's forward-only cursor once; its exceptions end in parse_json.
class Walker {
 public:
  Walker(const char* begin, bool counts_lines)
      : counted_(begin), counts_lines_(counts_lines), line_(counts_lines ? 1 : 0) {}

  uint32_t line() const noexcept { return line_; }

  Value walk(ondemand::value value, uint32_t depth) {
    advance(value.current_location());
    if (depth > kDepthMax)
      throw Refused{Reason::document_too_deep, line_,
                    "nesting deeper than " + std::to_string(kDepthMax) + " levels"};
    if (++nodes_ > kNodesMax)
      throw Refused{Reason::document_too_large, line_,
                    "more than " + std::to_string(kNodesMax) + " values"};
    switch (ondemand::json_type(value.type())) {
      case ondemand::json_type::object:
        return walk_object(value.get_object(), depth);
      case ondemand::json_type::array:
        return walk_array(value.get_array(), depth);
      case ondemand::json_type::string: {
        const uint32_t at = line_;
        return Value::string(std::string(std::string_view(value.get_string())), at);
      }
      case ondemand::json_type::number:
        return walk_number(value);
      case ondemand::json_type::boolean: {
        const bool truth = value.get_bool();
        return Value::boolean(truth, truth ? "true" : "false", line_);
      }
      case ondemand::json_type::null:
        break;
    }
    // simdjson 3.0 tells the type from the first letter alone.
    if (!bool(value.is_null())) throw Refused{Reason::syntax_error, line_, "not a JSON value"};
    return Value::null(line_);
  }

  Value walk_object(ondemand::object object, uint32_t depth) {
    const uint32_t at = line_;
    std::vector<Member> members;
    std::map<std::string, uint32_t> key_lines;
    for (auto field : object) {
      std::string key(std::string_view(field.unescaped_key()));
      ondemand::value value = field.value();
      advance(value.current_location());
      const auto [first, is_new] = key_lines.emplace(key, line_);
      if (!is_new)
        throw Refused{Reason::duplicate_key, line_,
                      "key '" + key + "' is already set on line " + std::to_string(first->second)};
      const uint32_t key_line = line_;
      members.push_back({std::move(key), key_line, walk(value, depth + 1)});
    }
    return Value::mapping(std::move(members), at);
  }

  Value walk_array(ondemand::array array, uint32_t depth) {
    const uint32_t at = line_;
    std::vector<Value> items;
    for (auto item : array) items.push_back(walk(item.value(), depth + 1));
    return Value::list(std::move(items), at);
  }

 private:
  Value walk_number(ondemand::value value) {
    const uint32_t at = line_;
    std::string_view token = value.raw_json_token();
    token = token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
    std::string text(token);
    [[maybe_unused]] const ondemand::number checked = value.get_number();
    return Value::number(std::move(text), at);
  }

  // The cursor only moves forward, so line breaks are counted once.
  void advance(const char* location) {
    if (!counts_lines_ || location <= counted_) return;
    line_ += static_cast<uint32_t>(std::count(counted_, location, '\n'));
    counted_ = location;
  }

  const char* counted_;
  const bool counts_lines_;
  uint32_t line_;
  size_t nodes_ = 0;
};

Value walk_document(ondemand::document& document, Walker& walker) {
  Value value;
  switch (ondemand::json_type(document.type())) {
    case ondemand::json_type::object:
      value = walker.walk_object(document.get_object(), 1);
      break;
    case ondemand::json_type::array:
      value = walker.walk_array(document.get_array(), 1);
      break;
    default:
      throw Refused{Reason::wrong_type, 1, "the document is neither an object nor an array"};
  }
  // Past the last token there is no location.
  const char* rest = nullptr;
  if (document.current_location().get(rest) != simdjson::OUT_OF_BOUNDS)
    throw Refused{Reason::syntax_error, walker.line(), "text after the end of the document"};
  return value;
}

Result<Value> parse(std::string_view text, const std::string& file_name, bool counts_lines) {
  const auto refuse = [&file_name, counts_lines](const Refused& refused) {
    const std::string line = counts_lines ? ":" + std::to_string(refused.line) : "";
    return fail(refused.reason, ErrorSource::kConfig, file_name + line + ": " + refused.message);
  };
  if (text.size() > kDocumentBytesMax)
    return refuse({Reason::document_too_large, 1, std::to_string(text.size()) + " bytes"});
  const simdjson::padded_string padded(text);
  Walker walker(padded.data(), counts_lines);
  try {
    ondemand::parser parser;
    ondemand::document document = parser.iterate(padded);
    return walk_document(document, walker);
  } catch (const Refused& refused) {
    return refuse(refused);
  } catch (const simdjson::simdjson_error& error) {
    return refuse({Reason::syntax_error, walker.line(), error.what()});
  }
}

}  // namespace

Result<Value> parse_json(std::string_view text, const std::string& file_name) {
  return parse(text, file_name, true);
}

Result<Value> parse_json_object(std::string_view text, const std::string& file_name) {
  return parse(text, file_name, false);
}

}  // namespace keelson::document
