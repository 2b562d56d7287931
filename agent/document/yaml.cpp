#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "document/parse.h"
#include "document/scalar.h"

namespace keelson::document {
namespace {

// Thrown through yaml-cpp's frames to stop it at a limit, and caught in parse_chunk.
struct Refused {
  Reason reason;
  uint32_t line;
  std::string message;
  std::string fix;
};

// Builds Values from parser events with a stack of its own.
class Builder final : public YAML::EventHandler {
 public:
  Builder(uint32_t first_line, size_t& nodes_left)
      : first_line_(first_line), nodes_left_(nodes_left) {}

  std::vector<Value> take_documents() { return std::move(documents_); }

  // The text was cut at its markers; a second document without one is what yaml-cpp makes of
  // `- a` followed by `b: c`.
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (started_)
      throw Refused{Reason::syntax_error, line_of(mark), "text after the end of the document",
                    "check the indentation, or separate documents with ---"};
    started_ = true;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(Value::null(line_of(mark)), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto target = anchors_.find(anchor);
    if (target == anchors_.end())
      throw Refused{Reason::syntax_error, line_of(mark), "an alias inside the node it names", ""};
    check_depth(line_of(mark), target->second.height());
    spend(target->second.node_count(), line_of(mark));
    place(target->second);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    if (tag == "?")
      add(plain_scalar(text, line_of(mark)), anchor);
    else if (tag == "!" || tag == "tag:yaml.org,2002:str")
      add(Value::string(text, line_of(mark)), anchor);
    else
      refuse_tag(mark, tag);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    if (tag != "?" && tag != "!" && tag != "tag:yaml.org,2002:seq") refuse_tag(mark, tag);
    open(mark, anchor, false);
  }
  void OnSequenceEnd() override {
    Frame frame = close();
    add(Value::list(std::move(frame.items), frame.line), frame.anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    if (tag != "?" && tag != "!" && tag != "tag:yaml.org,2002:map") refuse_tag(mark, tag);
    open(mark, anchor, true);
  }
  void OnMapEnd() override {
    Frame frame = close();
    add(Value::mapping(std::move(frame.members), frame.line), frame.anchor);
  }

 private:
  struct Frame {
    bool is_mapping = false;
    bool key_pending = false;  // a key was read and its value is next
    uint32_t line = 0;
    YAML::anchor_t anchor = YAML::NullAnchor;
    std::vector<Value> items;
    std::vector<Member> members;
    std::map<std::string, uint32_t> key_lines;
  };

  uint32_t line_of(const YAML::Mark& mark) const {
    return first_line_ + static_cast<uint32_t>(std::max(mark.line, 0));
  }

  [[noreturn]] void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    throw Refused{Reason::syntax_error, line_of(mark), "the tag '" + tag + "' is not supported",
                  "remove the tag"};
  }

  void check_depth(uint32_t line, size_t below) const {
    if (frames_.size() + below > kDepthMax)
      throw Refused{Reason::document_too_deep, line,
                    "nesting deeper than " + std::to_string(kDepthMax) + " levels",
                    "flatten the document"};
  }

  void open(const YAML::Mark& mark, YAML::anchor_t anchor, bool is_mapping) {
    check_depth(line_of(mark), 1);
    Frame frame;
    frame.is_mapping = is_mapping;
    frame.line = line_of(mark);
    frame.anchor = anchor;
    frames_.push_back(std::move(frame));
  }

  Frame close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    return frame;
  }

  // Aliases and anchors spend what they copy, so that nested ones cannot multiply memory.
  void spend(size_t nodes, uint32_t line) {
    if (nodes > nodes_left_)
      throw Refused{Reason::document_too_large, line,
                    "more than " + std::to_string(kNodesMax) + " values, aliases expanded",
                    "split the file"};
    nodes_left_ -= nodes;
  }

  void add(Value value, YAML::anchor_t anchor) {
    spend(1, value.line());
    if (anchor != YAML::NullAnchor) {
      spend(value.node_count(), value.line());
      anchors_[anchor] = value;
    }
    place(std::move(value));
  }

  void place(Value value) {
    if (frames_.empty()) {
      if (!value.is_null()) documents_.push_back(std::move(value));
      return;
    }
    Frame& frame = frames_.back();
    if (!frame.is_mapping) {
      frame.items.push_back(std::move(value));
    } else if (frame.key_pending) {
      frame.members.back().value = std::move(value);
      frame.key_pending = false;
    } else {
      place_key(frame, value);
    }
  }

  static void place_key(Frame& frame, const Value& key) {
    if (key.is_null() || key.is_list() || key.is_mapping())
      throw Refused{Reason::syntax_error, key.line(),
                    "a " + std::string(type_name(key.type())) + " cannot be a key", "write text"};
    if (key.text() == "<<")
      throw Refused{Reason::syntax_error, key.line(), "merge keys (<<) are not supported",
                    "write the fields out"};
    const auto [at, is_new] = frame.key_lines.emplace(key.text(), key.line());
    if (!is_new)
      throw Refused{Reason::duplicate_key, key.line(),
                    "key '" + key.text() + "' is already set on line " + std::to_string(at->second),
                    "remove one of the two"};
    frame.members.push_back({key.text(), key.line(), Value()});
    frame.key_pending = true;
  }

  uint32_t first_line_;
  bool started_ = false;
  size_t& nodes_left_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Value> anchors_;
  std::vector<Value> documents_;
};

struct Chunk {
  uint32_t first_line;
  std::string_view text;
};

// A line that starts with `---` or `...` at the margin is a document marker wherever it stands,
// also inside quoted and block scalars (YAML 1.2 section 9.1.2, c-forbidden), so cutting here is
// safe.
bool is_marker(std::string_view line, std::string_view marker) {
  return line.starts_with(marker) &&
         (line.size() == 3 || line[3] == ' ' || line[3] == '\t' || line[3] == '\r');
}

std::vector<Chunk> cut_documents(std::string_view text) {
  std::vector<Chunk> chunks;
  size_t chunk_start = 0;
  uint32_t chunk_line = 1;
  uint32_t line_number = 1;
  for (size_t at = 0; at < text.size(); ++line_number) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    const size_t next = std::min(end + 1, text.size());
    const bool ends = is_marker(line, "...");
    const size_t cut = ends ? next : at;
    if (cut > chunk_start && (ends || is_marker(line, "---"))) {
      chunks.push_back({chunk_line, text.substr(chunk_start, cut - chunk_start)});
      chunk_start = cut;
      chunk_line = ends ? line_number + 1 : line_number;
    }
    at = next;
  }
  if (chunk_start < text.size()) chunks.push_back({chunk_line, text.substr(chunk_start)});
  return chunks;
}

std::string unquoted(std::string_view text) {
  if (const size_t comment = text.find(" #"); comment != std::string_view::npos)
    text = text.substr(0, comment);
  const size_t first = text.find_first_not_of(" \t\"'");
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\"',}") - first + 1));
}

// What a document that cannot be parsed seems to define. `kind` stands at the margin in every
// manifest people write; name and namespace are the first ones indented under `metadata:`.
void guess_object(std::string_view text, BrokenDocument& broken) {
  bool in_metadata = false;
  size_t indent = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    const size_t margin = line.find_first_not_of(' ');
    if (margin == std::string_view::npos || line[margin] == '#') continue;
    const std::string_view content = line.substr(margin);
    if (margin == 0) in_metadata = content.starts_with("metadata:");
    if (margin == 0) indent = 0;
    if (margin == 0 && content.starts_with("kind:") && broken.kind.empty())
      broken.kind = unquoted(content.substr(5));
    if (!in_metadata || margin == 0) continue;
    if (indent == 0) indent = margin;
    if (margin != indent) continue;
    if (content.starts_with("name:") && broken.name.empty())
      broken.name = unquoted(content.substr(5));
    if (content.starts_with("namespace:") && broken.ns.empty())
      broken.ns = unquoted(content.substr(10));
  }
}

// Where the value of the first `key:` or `"key":` starts; npos: there is none.
size_t value_of_key(std::string_view text, std::string_view key) {
  for (size_t at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
    const bool starts = at == 0 || std::string_view(" \t\n{,\"'").find(text[at - 1]) != text.npos;
    size_t colon = at + key.size();
    if (colon < text.size() && (text[colon] == '"' || text[colon] == '\'')) ++colon;
    if (starts && colon < text.size() && text[colon] == ':')
      return std::min(text.find_first_not_of(" \t", colon + 1), text.size());
  }
  return std::string_view::npos;
}

std::string flow_value(std::string_view text, std::string_view key) {
  const size_t start = value_of_key(text, key);
  if (start == std::string_view::npos) return "";
  return unquoted(text.substr(start, text.find_first_of(",}\n", start) - start));
}

// The same for `metadata: {name: …}` and for JSON, where the lines say nothing.
void guess_flow_object(std::string_view text, BrokenDocument& broken) {
  if (broken.kind.empty()) broken.kind = flow_value(text, "kind");
  const size_t start = value_of_key(text, "metadata");
  if (start == std::string_view::npos || start == text.size() || text[start] != '{') return;
  const std::string_view metadata = text.substr(start, text.find('}', start) - start);
  if (broken.name.empty()) broken.name = flow_value(metadata, "name");
  if (broken.ns.empty()) broken.ns = flow_value(metadata, "namespace");
}

uint32_t last_line(const Chunk& chunk) {
  const auto breaks = std::count(chunk.text.begin(), chunk.text.end(), '\n');
  return chunk.first_line + static_cast<uint32_t>(breaks) - (chunk.text.ends_with('\n') ? 1 : 0);
}

void parse_chunk(const Chunk& chunk, size_t& nodes_left, ParsedText& parsed) {
  BrokenDocument broken;
  broken.first_line = chunk.first_line;
  try {
    // yaml-cpp 0.7 takes an open quote for closed when the text ends after a line break: end it
    // inside a comment instead, which an open quote swallows and then misses its end.
    std::istringstream stream(std::string(chunk.text) + "\n#");
    YAML::Parser parser(stream);
    Builder builder(chunk.first_line, nodes_left);
    while (parser.HandleNextDocument(builder)) {
    }
    for (Value& document : builder.take_documents())
      parsed.documents.push_back(std::move(document));
    return;
  } catch (const Refused& refused) {
    broken.reason = refused.reason;
    broken.line = refused.line;
    broken.message = refused.message;
    broken.fix = refused.fix;
  } catch (const YAML::DeepRecursion& deep) {
    broken.reason = Reason::document_too_deep;
    broken.line = chunk.first_line + static_cast<uint32_t>(std::max(deep.mark.line, 0));
    broken.message = "nesting deeper than " + std::to_string(kDepthMax) + " levels";
    broken.fix = "flatten the document";
  } catch (const YAML::Exception& error) {
    broken.line = chunk.first_line + static_cast<uint32_t>(std::max(error.mark.line, 0));
    broken.message = error.msg;
    broken.fix = "check indentation, quotes and colons on this line and the one before";
  }
  broken.line = std::min(broken.line, last_line(chunk));
  guess_object(chunk.text, broken);
  guess_flow_object(chunk.text, broken);
  parsed.broken.push_back(std::move(broken));
}

}  // namespace

ParsedText parse_documents(std::string_view text) {
  ParsedText parsed;
  if (text.size() > kDocumentBytesMax) {
    BrokenDocument broken;
    broken.reason = Reason::document_too_large;
    broken.message =
        std::to_string(text.size()) + " bytes, the limit is " + std::to_string(kDocumentBytesMax);
    broken.fix = "split the file";
    parsed.broken.push_back(std::move(broken));
    return parsed;
  }
  size_t nodes_left = kNodesMax;
  for (const Chunk& chunk : cut_documents(text)) parse_chunk(chunk, nodes_left, parsed);
  return parsed;
}

Result<std::vector<Value>> parse_yaml(std::string_view text, const std::string& file_name) {
  ParsedText parsed = parse_documents(text);
  if (parsed.broken.empty()) return std::move(parsed.documents);
  const BrokenDocument& first = parsed.broken.front();
  const std::string fix = first.fix.empty() ? "" : "; " + first.fix;
  return fail(first.reason, ErrorSource::kConfig,
              file_name + ":" + std::to_string(first.line) + ": " + first.message + fix);
}

}  // namespace keelson::document
