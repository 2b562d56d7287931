// TcpEcho: an application on loopback that sends back what it got, then ends. TcpCaller: one that
// sends a text, half-closes, and reads to the end. Each blocks on a thread of its own; the methods
// may be called from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "base/fd.h"

namespace keelson::test {

class TcpEcho {
 public:
  explicit TcpEcho(uint16_t port);
  ~TcpEcho();
  TcpEcho(const TcpEcho&) = delete;
  TcpEcho& operator=(const TcpEcho&) = delete;

 private:
  void serve();
  Fd listener_;
  std::thread thread_;
};

class TcpCaller {
 public:
  TcpCaller(uint16_t port, std::string text);
  ~TcpCaller();
  TcpCaller(const TcpCaller&) = delete;
  TcpCaller& operator=(const TcpCaller&) = delete;

  bool is_done() const { return is_done_; }
  // After is_done().
  const std::string& received() const { return received_; }
  bool is_clean_end() const { return is_clean_end_; }

 private:
  void call(const std::string& text);
  Fd socket_;
  std::string received_;
  bool is_clean_end_ = false;
  std::atomic<bool> is_done_ = false;
  std::thread thread_;
};

}  // namespace keelson::test
