// Client: one run. One thread, one epoll set. Open loop: request k belongs to the instant start +
// k / rate and goes out on the connection that is idle longest; while none is idle it waits, and
// its latency counts from that instant all the same. What waits is not stored: it is a number.
// Closed loop: whoever has an answer asks again. What is without answer when the time is up is
// waited for (--patience), and then counts as timed out, with its age. Exits nothing, prints only
// the line "holding".
#pragma once

#include <deque>
#include <iosfwd>
#include <memory>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "connection.h"
#include "options.h"
#include "report.h"
#include "schedule.h"

namespace keelson::load {

class Client final : private Observer {
 public:
  // What it refers to outlives it. `tls`: null for http URLs. `log` gets the line "holding".
  Client(const Options& options, const SocketAddress& address, const TlsClient* tls,
         std::ostream& log);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Error: no connection could be opened, or the kernel lacks something. `stop` (a signalfd, or
  // anything that becomes readable; -1: none) ends the run early: first sending, then patience.
  Result<void> run(int stop);

  const Tally& tally() const noexcept { return *tally_; }
  RunFacts facts() const noexcept;

 private:
  void on_opened(uint64_t took_ns) override;
  void on_bytes(size_t count) override;
  void on_answer(uint64_t since_ns, uint16_t status) override;
  void on_lost(uint64_t since_ns, ErrorKind why, std::string_view text) override;
  void on_error(ErrorKind why, std::string_view text) override;
  void on_retried() override;
  void on_room(Connection& connection) override;
  void on_closed(Connection& connection, Ended ended) override;
  void on_refused(Connection& connection) override;

  Result<void> prepare(int stop);
  Result<void> open_all();
  void open(Connection& connection);
  void measure();
  void plan();
  void drain();
  void give_up();
  void hold();

  bool is_open_loop() const noexcept { return options_.loop == Loop::kOpen; }
  bool may_use(const Connection& connection) const;
  bool is_finished() const;
  void start(Connection& connection, uint64_t since_ns);
  void list(Connection& connection);
  void issue_due();
  void turn(uint64_t until_ns);
  void take_stop();
  uint64_t next_event_ns(uint64_t until_ns) const;

  const Options& options_;
  const SocketAddress& address_;
  const Request request_;
  std::ostream& log_;
  std::vector<char> buffer_;
  Fd epoll_;
  const std::unique_ptr<Tally> tally_;
  std::optional<Surroundings> surroundings_;
  const TlsClient* tls_;
  std::vector<std::unique_ptr<Connection>> connections_;

  int stop_ = -1;
  int stops_ = 0;            // how often we were told to stop
  bool is_running_ = false;  // connections that end are opened again
  bool is_sending_ = false;  // closed loop: answers are followed by requests
  uint64_t window_ns_ = 0, end_ns_ = 0;
  std::optional<Schedule> schedule_;
  uint64_t due_total_ = 0;     // open loop: requests that belong to this run
  uint64_t started_ = 0;       // also the next request of the schedule
  uint64_t counted_left_ = 0;  // closed loop: of --requests
  uint64_t outstanding_ = 0;
  uint64_t opened_ = 0;
  size_t opening_ = 0;  // by open(), no outcome yet

  std::deque<Connection*> idle_;  // open loop: longest idle first; may hold some without room
  std::vector<Connection*> unsent_;
  std::vector<Connection*> refused_;
  struct Retry {
    uint64_t at_ns;
    Connection* connection;
  };
  std::deque<Retry> retries_;  // soonest first: all wait equally long
};

}  // namespace keelson::load
