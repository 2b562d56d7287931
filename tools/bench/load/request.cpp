#include "request.h"

#include <strings.h>

#include <algorithm>
#include <cctype>

namespace keelson::load {
namespace {

using Field = std::pair<std::string, std::string>;

Field split(const std::string& header) {
  const size_t colon = header.find(':');
  const size_t value = header.find_first_not_of(" \t", colon + 1);
  return {header.substr(0, colon), value == std::string::npos ? "" : header.substr(value)};
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

Request Request::make(const Options& options) {
  Request request;
  request.body_bytes = options.body_bytes;
  std::string authority = options.url.authority;
  std::vector<Field> headers;
  for (const std::string& header : options.headers) {
    Field field = split(header);
    if (strcasecmp(field.first.c_str(), "host") == 0)
      authority = field.second;
    else
      headers.push_back(std::move(field));
  }
  const std::string method = options.body_bytes == 0 ? "GET" : "POST";
  if (options.body_bytes > 0)
    headers.emplace_back("Content-Length", std::to_string(options.body_bytes));

  request.fields = {{":method", method},
                    {":scheme", options.url.is_tls ? "https" : "http"},
                    {":authority", authority},
                    {":path", options.url.path}};
  request.http1 = method + " " + options.url.path + " HTTP/1.1\r\nHost: " + authority + "\r\n";
  for (const Field& field : headers) {
    request.fields.emplace_back(lower(field.first), field.second);
    request.http1 += field.first + ": " + field.second + "\r\n";
  }
  if (options.is_connection_each) request.http1 += "Connection: close\r\n";
  request.http1 += "\r\n";
  request.http1.append(options.body_bytes, 'x');
  return request;
}

}  // namespace keelson::load
