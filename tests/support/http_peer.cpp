#include "support/http_peer.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace keelson::test {
namespace {

constexpr std::chrono::seconds kPatience{10};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

void add_field(std::map<std::string, std::string>& to, const std::string& line) {
  const size_t colon = line.find(':');
  if (colon == std::string::npos) return;
  const size_t begin = line.find_first_not_of(' ', colon + 1);
  to[lower(line.substr(0, colon))] = begin == std::string::npos ? "" : line.substr(begin);
}

std::map<std::string, std::string> fields_of(const std::string& head) {
  std::map<std::string, std::string> fields;
  for (size_t at = head.find("\r\n"); at != std::string::npos && at + 2 < head.size();) {
    const size_t end = head.find("\r\n", at + 2);
    add_field(fields, head.substr(at + 2, end - at - 2));
    at = end;
  }
  return fields;
}

bool send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool read_more(int fd, std::string& buffer) {
  char bytes[65536];
  const ssize_t got = ::recv(fd, bytes, sizeof bytes, 0);
  if (got <= 0) return false;
  buffer.append(bytes, static_cast<size_t>(got));
  return true;
}

// The body of a request, as its head announces it; false: the connection ended first.
bool read_body(int fd, std::string& buffer, const std::map<std::string, std::string>& fields,
               std::string& body) {
  const auto take = [&](size_t count) {
    while (buffer.size() < count)
      if (!read_more(fd, buffer)) return false;
    body += buffer.substr(0, count);
    buffer.erase(0, count);
    return true;
  };
  if (const auto length = fields.find("content-length"); length != fields.end())
    return take(std::strtoull(length->second.c_str(), nullptr, 10));
  if (!fields.contains("transfer-encoding")) return true;
  for (;;) {
    size_t end = 0;
    while ((end = buffer.find("\r\n")) == std::string::npos)
      if (!read_more(fd, buffer)) return false;
    const size_t size = std::strtoull(buffer.substr(0, end).c_str(), nullptr, 16);
    buffer.erase(0, end + 2);
    if (size == 0) {
      while ((end = buffer.find("\r\n")) == std::string::npos || end > 0) {
        if (end != std::string::npos) {
          body += "[" + buffer.substr(0, end) + "]";
          buffer.erase(0, end + 2);
        } else if (!read_more(fd, buffer)) {
          return false;
        }
      }
      buffer.erase(0, 2);
      return true;
    }
    if (!take(size) || (buffer.size() < 2 && !read_more(fd, buffer))) return false;
    buffer.erase(0, 2);
  }
}

}  // namespace

// ---- HttpClient -------------------------------------------------------------------------------

bool HttpClient::fill() {
  std::string more;
  const int error = connection_.receive_exactly(1, more, kPatience);
  was_reset_ |= error == ECONNRESET;
  if (error != 0) return false;
  buffer_ += more;
  char bytes[65536];
  const ssize_t got = ::recv(connection_.fd.get(), bytes, sizeof bytes, MSG_DONTWAIT);
  if (got > 0) buffer_.append(bytes, static_cast<size_t>(got));
  return true;
}

std::string HttpClient::take(size_t count) {
  while (buffer_.size() < count)
    if (!fill()) break;
  std::string taken = buffer_.substr(0, count);
  buffer_.erase(0, count);
  return taken;
}

bool HttpClient::take_line(std::string& line) {
  size_t end = 0;
  while ((end = buffer_.find("\r\n")) == std::string::npos)
    if (!fill()) return false;
  line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return true;
}

void HttpClient::take_chunks(HttpAnswer& answer) {
  std::string line;
  while (take_line(line)) {
    const size_t size = std::strtoull(line.c_str(), nullptr, 16);
    if (size == 0) {
      while (take_line(line) && !line.empty()) add_field(answer.trailers, line);
      return;
    }
    const std::string data = take(size);
    answer.body += data;
    if (data.size() < size || !take_line(line)) break;
  }
  answer.status = 0;
}

HttpAnswer HttpClient::receive(bool is_head) {
  HttpAnswer answer;
  std::string line;
  for (;;) {
    answer.headers.clear();
    if (!take_line(line)) break;
    const int status = line.size() > 12 ? std::atoi(line.substr(9, 3).c_str()) : 0;
    bool is_whole = false;
    while (take_line(line)) {
      if ((is_whole = line.empty())) break;
      add_field(answer.headers, line);
    }
    if (!is_whole) break;
    if (status / 100 == 1 && status != 101) continue;
    answer.status = status;
    break;
  }
  if (answer.status != 0 && !is_head && answer.status != 204 && answer.status != 304 &&
      answer.status != 101) {
    if (answer.headers.contains("transfer-encoding")) {
      take_chunks(answer);
    } else if (const auto length = answer.headers.find("content-length");
               length != answer.headers.end()) {
      const size_t bytes = std::strtoull(length->second.c_str(), nullptr, 10);
      answer.body = take(bytes);
      if (answer.body.size() < bytes) answer.status = 0;
    } else {
      while (fill()) {
      }
      answer.body = std::exchange(buffer_, {});
      if (was_reset_) answer.status = 0;
    }
  }
  answer.was_reset = was_reset_;
  return answer;
}

HttpAnswer HttpClient::get(std::string_view target, std::string_view headers) {
  return ask("GET " + std::string(target) + " HTTP/1.1\r\nhost: pay\r\n" + std::string(headers) +
             "\r\n");
}

// ---- HttpServer -------------------------------------------------------------------------------

HttpServer::HttpServer(const std::string& netns_path, uint16_t port, std::string name)
    : name_(std::move(name)), listener_(netns_path, port) {
  acceptor_ = std::thread([this] {
    while (!is_stopping_) {
      Connection connection = listener_.accept(std::chrono::milliseconds(50));
      if (!connection.is_open()) continue;
      const std::lock_guard lock(mutex_);
      peers_.push_back(connection.peer);
      open_.push_back(connection.fd.get());
      threads_.emplace_back(&HttpServer::serve, this, std::move(connection.fd));
    }
  });
}

HttpServer::~HttpServer() {
  is_stopping_ = true;
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  for (auto& thread : threads_) thread.join();
}

size_t HttpServer::connections() const {
  const std::lock_guard lock(mutex_);
  return peers_.size();
}

std::vector<Endpoint> HttpServer::peers() const {
  const std::lock_guard lock(mutex_);
  return peers_;
}

void HttpServer::serve(Fd connection) {
  const int flags = 0;
  ::fcntl(connection.get(), F_SETFL, flags);
  std::string buffer;
  while (!is_stopping_ && answer(connection.get(), buffer)) {
  }
  const std::lock_guard lock(mutex_);
  std::erase(open_, connection.get());
}

bool HttpServer::answer(int fd, std::string& buffer) {
  size_t end = 0;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos)
    if (!read_more(fd, buffer)) return false;
  const std::string head = buffer.substr(0, end + 2);
  buffer.erase(0, end + 4);
  auto fields = fields_of(head);
  if (fields["expect"] == "100-continue") send_all(fd, "HTTP/1.1 100 Continue\r\n\r\n");
  std::string body;
  if (fields["x-answer"] == "refuse") {
    send_all(fd, "HTTP/1.1 413 Large\r\ncontent-length: 4\r\nconnection: close\r\n\r\nmuch");
    return false;
  }
  if (fields["x-answer"] == "early") {
    const std::string early(300000, 'e');
    send_all(fd, "HTTP/1.1 200 Fine\r\ncontent-length: 300000\r\n\r\n" + early);
  }
  if (!read_body(fd, buffer, fields, body)) return false;
  requests_++;
  if (fields["x-answer"] == "early") return true;
  if (fields.contains("x-delay-ms"))
    std::this_thread::sleep_for(std::chrono::milliseconds(std::atoi(fields["x-delay-ms"].c_str())));
  const std::string& kind = fields["x-answer"];
  const std::string status = fields.contains("x-status") ? fields["x-status"] : "200";
  const std::string text = name_ + "\n" + head + "\r\n" + body;
  if (kind == "cut") {
    send_all(fd, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n0123456789");
    return false;
  }
  if (kind == "upgrade") {
    send_all(fd,
             "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    for (bool is_over = false; !is_over;) {
      is_over = buffer.find("bye") != std::string::npos;
      send_all(fd, std::exchange(buffer, {}));
      is_over |= !is_over && !read_more(fd, buffer);
    }
    ::shutdown(fd, SHUT_WR);
    while (read_more(fd, buffer)) {
    }
    return false;
  }
  if (kind == "chunked") {
    char size[32];
    std::snprintf(size, sizeof size, "%zx", text.size());
    return send_all(fd, "HTTP/1.1 " + status +
                            " Fine\r\ntransfer-encoding: chunked\r\ntrailer: x-check\r\n\r\n" +
                            size + "\r\n" + text + "\r\n0\r\nx-check: done\r\n\r\n");
  }
  const bool is_head = head.starts_with("HEAD ");
  const bool has_no_body = is_head || status == "204" || status == "304";
  const std::string length =
      status == "204" ? "" : "content-length: " + std::to_string(text.size()) + "\r\n";
  return send_all(fd, "HTTP/1.1 " + status + " Fine\r\n" + length + "x-from: " + name_ + "\r\n" +
                          (kind == "close" ? "connection: close\r\n" : "") + "\r\n" +
                          (has_no_body ? "" : text)) &&
         kind != "close";
}

}  // namespace keelson::test
