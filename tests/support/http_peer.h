// HTTP/1.1 ends for scenarios, independent of our codec. HttpServer: blocking threads, answers
// every request with what it saw: "NAME\n", the head as it came, an empty line, the body.
// HttpClient: one connection, requests given as text. Headers that tell the server what to do:
//   x-delay-ms: N      answers after N ms            x-status: N    answers with that status
//   x-answer: chunked  answers in chunks and a trailer "x-check: done"
//   x-answer: cut      promises 1000 bytes, sends 10, closes
//   x-answer: close    says connection: close and closes
//   x-answer: early    a long answer before the body is read
//   x-answer: refuse   says 413 and closes, without reading the body
//   x-answer: upgrade  101, then echoes bytes, and ends behind "bye"
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/tcp_peer.h"

namespace keelson::test {

struct HttpAnswer {
  int status = 0;                              // 0: none came, or it was cut
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::map<std::string, std::string> trailers;
  bool was_reset = false;  // the connection ended by RST

  // The first line of HttpServer's body: which server answered.
  std::string server() const { return body.substr(0, body.find('\n')); }
};

class HttpClient {
 public:
  HttpClient(const std::string& netns_path, const Endpoint& to)
      : connection_(connect_in(netns_path, to)) {}

  bool is_open() const { return connection_.is_open(); }
  bool send(std::string_view text) { return connection_.send(text); }
  // Reads one answer, 1xx apart. `is_head`: it has no body.
  HttpAnswer receive(bool is_head = false);
  HttpAnswer ask(std::string_view request) {
    send(request);
    return receive(request.starts_with("HEAD "));
  }
  // "GET target HTTP/1.1" with Host and `headers` (each ended by CRLF).
  HttpAnswer get(std::string_view target, std::string_view headers = "");
  std::string receive_raw(size_t count) { return take(count); }
  const Connection& connection() const { return connection_; }

 private:
  bool fill();
  std::string take(size_t count);
  bool take_line(std::string& line);
  void take_chunks(HttpAnswer& answer);

  Connection connection_;
  std::string buffer_;
  bool was_reset_ = false;
};

class HttpServer {
 public:
  HttpServer(const std::string& netns_path, uint16_t port, std::string name);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  size_t requests() const { return requests_; }
  size_t connections() const;
  std::vector<Endpoint> peers() const;  // as accept() told them

 private:
  void serve(Fd connection);
  bool answer(int fd, std::string& buffer);

  const std::string name_;
  Acceptor listener_;
  std::atomic<size_t> requests_{0};
  std::atomic<bool> is_stopping_{false};
  mutable std::mutex mutex_;
  std::vector<Endpoint> peers_;
  std::vector<int> open_;  // to be shut down at the end
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace keelson::test
