// llhttp (strict mode, compiled from Debian's node-llhttp) as the second opinion: over a fixed-seed
// corpus of mutated messages, whatever our parser accepts llhttp accepts too, with the same method,
// target, fields, body and end. Where we alone refuse, that is counted and fine.
#include <gtest/gtest.h>
#include <llhttp.h>

#include <array>
#include <iostream>
#include <map>
#include <random>

#include "http/h1/characters.h"
#include "http/h1/fields.h"
#include "recorder.h"

namespace keelson::http::h1 {
namespace {

using namespace std::string_literals;

struct OracleMessage {
  std::string method, url, body, field, value;
  std::vector<std::pair<std::string, std::string>> headers, trailers;
  int status = 0;
  bool head_done = false;
  bool ended = false;

  void end_field() {
    if (!field.empty()) (head_done ? trailers : headers).emplace_back(field, value);
    field.clear();
    value.clear();
  }
};

OracleMessage& message_of(llhttp_t* parser) {
  return *static_cast<OracleMessage*>(parser->data);
}

template <std::string OracleMessage::*Member>
int append(llhttp_t* parser, const char* at, size_t length) {
  (message_of(parser).*Member).append(at, length);
  return 0;
}

llhttp_settings_t make_settings() {
  llhttp_settings_t settings;
  llhttp_settings_init(&settings);
  settings.on_method = append<&OracleMessage::method>;
  settings.on_url = append<&OracleMessage::url>;
  settings.on_header_field = append<&OracleMessage::field>;
  settings.on_header_value = append<&OracleMessage::value>;
  settings.on_body = append<&OracleMessage::body>;
  settings.on_header_value_complete = [](llhttp_t* parser) {
    message_of(parser).end_field();
    return 0;
  };
  settings.on_headers_complete = [](llhttp_t* parser) {
    message_of(parser).status = parser->status_code;
    message_of(parser).head_done = true;
    // RFC 9112 section 6.3: a 304 never has a body. llhttp leaves that rule to its user: 1 = none.
    return parser->status_code == 304 ? 1 : 0;
  };
  settings.on_message_complete = [](llhttp_t* parser) {
    OracleMessage& message = message_of(parser);
    if (message.status / 100 == 1 && message.status != 101) {
      message = {};
      return 0;
    }
    message.ended = true;
    return static_cast<int>(HPE_PAUSED);
  };
  return settings;
}

struct OracleOutcome {
  llhttp_errno_t error = HPE_OK;
  OracleMessage message;
  size_t taken = 0;
  bool accepted() const { return message.ended; }
};

OracleOutcome ask_oracle(Parser::Role role, const std::string& input) {
  static const llhttp_settings_t settings = make_settings();
  OracleOutcome outcome;
  llhttp_t parser;
  llhttp_init(&parser, role == Parser::Role::kRequests ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
  parser.data = &outcome.message;
  outcome.error = llhttp_execute(&parser, input.data(), input.size());
  outcome.taken = input.size();
  if (outcome.error == HPE_OK)
    outcome.error = llhttp_finish(&parser);
  else if (const char* position = llhttp_get_error_pos(&parser); position != nullptr)
    outcome.taken = static_cast<size_t>(position - input.data());
  return outcome;
}

const std::vector<std::string>& request_seeds() {
  static const std::vector<std::string> seeds = {
      "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
      "GET /p/a?q=1&r=%20 HTTP/1.1\r\nHost: a.example:8080\r\nAccept: */*\r\nX-A:\t b \r\n\r\n",
      "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nX: y\r\n\r\nhello world",
      "PUT /y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX-T: 1\r\n\r\n",
      "DELETE /z HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close, x-hop\r\nX-Hop: 1\r\n\r\n",
      "GET http://a.example/p?q HTTP/1.1\r\nHost: a.example\r\nCookie: a=1; b=2\r\n\r\n",
      "HEAD /h HTTP/1.1\r\nHost: [::1]:80\r\nUser-Agent: t/1.0 (x; y)\r\n\r\n",
      "POST /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"
      "GET /next HTTP/1.1\r\nHost: a\r\n\r\n",
      "PATCH /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nTrailer: X-T\r\n\r\n"
      "a\r\n0123456789\r\n00\r\n\r\nGET / HTTP/1.1\r\n"};
  return seeds;
}

const std::vector<std::string>& response_seeds() {
  static const std::vector<std::string> seeds = {
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: s\r\n\r\nhello",
      "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n",
      "HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n",
      "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 10\r\n\r\n",
      "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nuntil close",
      "HTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
      "2\r\n\r\nok",
      "HTTP/1.1 500 \r\nContent-Length: 0\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\n"};
  return seeds;
}

class Mutator {
 public:
  explicit Mutator(uint32_t seed) : random_(seed) {}

  std::string mutate(std::string text) {
    for (size_t n = 1 + below(3); n > 0; n--) text = mutate_once(std::move(text));
    return text;
  }
  size_t below(size_t limit) { return limit == 0 ? 0 : random_() % limit; }

 private:
  std::string mutate_once(std::string text) {
    static const std::vector<std::string> fragments = {"\r\n",
                                                       "\n",
                                                       "\r",
                                                       " ",
                                                       "\t",
                                                       ":",
                                                       ",",
                                                       ";",
                                                       "\0"s,
                                                       "0",
                                                       "5",
                                                       "+",
                                                       "-",
                                                       "\x0b",
                                                       "\x7f",
                                                       "\xa0",
                                                       "x",
                                                       "chunked",
                                                       "Content-Length: 5\r\n",
                                                       "Transfer-Encoding: chunked\r\n",
                                                       "Host: b\r\n",
                                                       "Connection: close\r\n",
                                                       "X-Long: abcdefghijklmnop\r\n",
                                                       "HTTP/1.0",
                                                       "HTTP/1.1",
                                                       "#",
                                                       "%00",
                                                       "//",
                                                       "?",
                                                       "\"",
                                                       "=",
                                                       "0\r\n\r\n",
                                                       "Connection: x-a\r\n",
                                                       "Upgrade: websocket\r\n",
                                                       "Connection: upgrade\r\n",
                                                       ";ext=\"a b\"",
                                                       "ffffffffffffffff"};
    const size_t at = below(text.size() + 1);
    switch (below(6)) {
      case 0:
        return text.insert(at, fragments[below(fragments.size())]);
      case 1:
        return text.erase(at, 1 + below(4));
      case 2:
        if (at < text.size()) text[at] = fragments[below(fragments.size())][0];
        return text;
      case 3:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        return text;
      default:
        return shuffle_lines(std::move(text));
    }
  }
  // Inserts a whole field, or doubles a line, where lines begin: such mutants stay well formed.
  std::string shuffle_lines(std::string text) {
    static const std::vector<std::string> lines = {"A: 1\r\n",
                                                   "Content-Length: 3\r\n",
                                                   "Content-length: 0\r\n",
                                                   "TE: trailers\r\n",
                                                   "Keep-Alive: 5\r\n",
                                                   "X-Empty:\r\n",
                                                   "X-Spaces: \t a  b \t\r\n",
                                                   "Connection: keep-alive\r\n",
                                                   "Transfer-Encoding: gzip\r\n",
                                                   "X-High: \xc3\xa9\r\n",
                                                   "Expect: 100-continue\r\n"};
    std::vector<size_t> starts;
    for (size_t i = text.find("\r\n"); i != std::string::npos; i = text.find("\r\n", i + 2))
      starts.push_back(i + 2);
    if (starts.empty()) return text;
    const size_t at = starts[below(starts.size())];
    if (below(3) > 0) return text.insert(at, lines[below(lines.size())]);
    const size_t end = text.find("\r\n", at);
    return end == std::string::npos ? text : text.insert(at, text.substr(at, end + 2 - at));
  }

  std::mt19937 random_;
};

using Fields = std::vector<std::pair<std::string, std::string>>;

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return text;
}

Fields plain(const HeaderList& list) {
  Fields fields;
  for (const HeaderView field : list) fields.emplace_back(field.name, field.value);
  return fields;
}

// The oracle's fields as our normal form has them.
Fields end_to_end(const Fields& raw) {
  std::string nominated = ",";
  for (const auto& [name, value] : raw)
    if (lower(name) == "connection")
      for (size_t at = 0; at <= value.size();) {
        const size_t comma = std::min(value.find(',', at), value.size());
        nominated += lower(std::string(trim(value.substr(at, comma - at)))) + ",";
        at = comma + 1;
      }
  Fields kept;
  for (const auto& [name, value] : raw) {
    const std::string key = lower(name);
    if (classify(key) == Field::kEndToEnd && nominated.find("," + key + ",") == std::string::npos)
      kept.emplace_back(key, trim(value));
  }
  return kept;
}

std::string printable(const std::string& text) {
  return testing::PrintToString(text);
}

struct Counts {
  int both_accept = 0, both_refuse = 0, we_are_stricter = 0, unknown_method = 0;
};

void compare(Parser::Role role, const std::string& input, Counts& counts) {
  Parser parser(role);
  Recorder recorder;
  const auto taken = parser.feed(bytes_of(input), recorder);
  const bool fed = taken.has_value();
  // A tunnel has no end to compare; its head is compared below.
  const bool is_tunnel = fed && parser.info().body == BodyKind::kTunnel;
  const bool accepted =
      fed && (is_tunnel || (parser.finish(recorder).has_value() && parser.is_complete()));
  const OracleOutcome oracle = ask_oracle(role, input);
  if (!accepted) {
    (oracle.accepted() ? counts.we_are_stricter : counts.both_refuse)++;
    return;
  }
  const RecordedMessage& ours = recorder.messages.back();
  if (oracle.error == HPE_INVALID_METHOD && is_token(ours.head.method)) {
    counts.unknown_method++;  // llhttp knows a closed list of methods
    return;
  }
  counts.both_accept++;
  ASSERT_TRUE(oracle.accepted()) << llhttp_errno_name(oracle.error) << " " << printable(input);
  EXPECT_EQ(end_to_end(oracle.message.headers), plain(ours.head.headers)) << printable(input);
  EXPECT_EQ(oracle.message.body, ours.body) << printable(input);
  EXPECT_EQ(oracle.message.status, ours.head.status) << printable(input);
  if (role == Parser::Role::kRequests) {
    EXPECT_EQ(oracle.message.method, ours.head.method) << printable(input);
    if (ours.head.scheme.empty() && ours.head.method != "CONNECT") {
      EXPECT_EQ(oracle.message.url, ours.head.target) << printable(input);
    }
  }
  if (!is_tunnel) {
    EXPECT_EQ(oracle.taken, *taken) << "the message ends elsewhere " << printable(input);
  }
}

TEST(Differential, WhateverWeAcceptLlhttpReadsTheSameWay) {
  Mutator mutator(20240817);
  Counts counts;
  for (int i = 0; i < 40000 && !testing::Test::HasFailure(); i++) {
    const bool request = i % 2 == 0;
    const auto& seeds = request ? request_seeds() : response_seeds();
    const std::string input = mutator.mutate(seeds[mutator.below(seeds.size())]);
    compare(request ? Parser::Role::kRequests : Parser::Role::kResponses, input, counts);
  }
  std::cout << "both accept " << counts.both_accept << ", both refuse " << counts.both_refuse
            << ", we are stricter " << counts.we_are_stricter << ", method unknown to llhttp "
            << counts.unknown_method << "\n";
  EXPECT_GT(counts.both_accept, 8000) << "the corpus must reach the accepting paths";
  EXPECT_GT(counts.we_are_stricter, 0);
}

TEST(Differential, TheSeedsThemselvesAreAcceptedByBoth) {
  Counts counts;
  for (const std::string& seed : request_seeds()) compare(Parser::Role::kRequests, seed, counts);
  for (const std::string& seed : response_seeds()) compare(Parser::Role::kResponses, seed, counts);
  EXPECT_EQ(counts.both_accept, static_cast<int>(request_seeds().size() + response_seeds().size()));
}

}  // namespace
}  // namespace keelson::http::h1
