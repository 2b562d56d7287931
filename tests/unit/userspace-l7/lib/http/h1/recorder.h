// Recorder: a Sink that turns what a Parser delivers into comparable values and text. Tests only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/h1/parser.h"

namespace keelson::http::h1 {

struct RecordedMessage {
  MessageHead head;
  BodyKind body_kind = BodyKind::kNone;
  std::string body;
  HeaderList trailers;
  bool ended = false;
  friend bool operator==(const RecordedMessage&, const RecordedMessage&) = default;
};

class Recorder final : public Sink {
 public:
  void on_head(MessageHead& head, BodyKind body) override {
    messages.push_back({head, body, {}, {}, false});
  }
  void on_body(std::span<const std::byte> bytes) override {
    messages.back().body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void on_end(HeaderList& trailers) override {
    messages.back().trailers = trailers;
    messages.back().ended = true;
  }

  std::vector<RecordedMessage> messages;
};

struct Outcome {
  Reason reason = Reason::none;  // none: accepted so far
  size_t taken = 0;
  std::vector<RecordedMessage> messages;
  bool complete = false;
  bool keeps_alive = false;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Feeds one message in pieces that end at the given offsets, then what is left.
inline Outcome parse_in_pieces(Parser::Role role, std::string_view input,
                               const std::vector<size_t>& cuts, const ResponseContext& context = {},
                               const Limits& limits = {}) {
  Parser parser(role, limits);
  parser.next(context);
  Recorder recorder;
  Outcome outcome;
  size_t at = 0;
  const auto feed_up_to = [&](size_t end) {
    if (end <= at || outcome.reason != Reason::none || parser.is_complete()) return;
    const auto taken = parser.feed(bytes_of(input.substr(at, end - at)), recorder);
    if (!taken) {
      outcome.reason = taken.error().reason;
      return;
    }
    outcome.taken += *taken;
    at = end;
  };
  for (const size_t cut : cuts) feed_up_to(cut);
  feed_up_to(input.size());
  outcome.complete = parser.is_complete();
  outcome.keeps_alive = parser.info().keeps_alive;
  outcome.messages = std::move(recorder.messages);
  return outcome;
}

inline Outcome parse_whole(Parser::Role role, std::string_view input,
                           const ResponseContext& context = {}, const Limits& limits = {}) {
  return parse_in_pieces(role, input, {}, context, limits);
}

inline Outcome parse_byte_by_byte(Parser::Role role, std::string_view input,
                                  const ResponseContext& context = {}) {
  std::vector<size_t> cuts;
  for (size_t i = 1; i < input.size(); i++) cuts.push_back(i);
  return parse_in_pieces(role, input, cuts, context);
}

}  // namespace keelson::http::h1
