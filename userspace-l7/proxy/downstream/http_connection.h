// HttpConnection: an HTTP/1.1 connection that an application of a local pod dialled to a Service
// whose requests are routed: one Exchange after another, each by the configuration of its own
// moment. Every request is logged by itself. One thread: its worker's.
// HTTP/2 is refused (505) in this version.
//
// How it ends between two requests, whoever wants it to (its pod has left the mesh, the idle limit,
// a drain), all of it in end_idle():
// - What the client has sent is served, also when the loop has not told of it yet.
// - A client that was never served has dialled in order to ask: it gets kHttpHeadTime for that, and
//   an answer that says close.
// - Then our end is sent, and the client's awaited: what it sends meanwhile is not answered, and no
//   reset overtakes the end, so that the client knows that it may ask again elsewhere.
#pragma once

#include "proxy/downstream/capture.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/h1_stream.h"

namespace keelson::proxy {

class HttpConnection final : public Connection {
 public:
  // `pod`: whose outbound listener accepted `socket`. Error: io_error.
  static Result<std::unique_ptr<HttpConnection>> start(const Services& services,
                                                       std::shared_ptr<const config::LocalPod> pod,
                                                       const Capture& capture, io::Socket socket);
  HttpConnection(const Services& services, std::shared_ptr<const config::LocalPod> pod,
                 const Capture& capture, std::unique_ptr<io::ByteStream> stream);
  ~HttpConnection() override;

  void rejudge(const ServingConfig& config) override;
  // Answers say `connection: close` from now on; an idle connection stays until the last call.
  void drain() override;
  void last_call() override;

 private:
  enum class Step : uint8_t { kAgain, kWait, kGone };  // kGone: this is destroyed
  enum class Awaited : uint8_t { kNothing, kFirstRequest, kNextRequest, kRestOfHead };

  size_t advance(size_t budget_bytes) override;
  void refuse(const Error& why) noexcept override;
  bool logs_itself() const noexcept override { return true; }

  Step take_step(size_t budget_bytes, size_t& bytes);
  Step begin_exchange();
  Step wait_for_head();
  Awaited awaited() const noexcept;
  Step end_idle();
  Step run_exchange(size_t budget_bytes, size_t& bytes);
  Step watch_peer();
  Step end_exchange(Exchange::State state);
  Step refuse_request(const Error& why);
  Step break_off(Reason why);
  Step close(size_t& bytes);
  Step starve();
  // Settles what a turn leaves: bytes to send, memory held. May destroy this.
  void end_turn();
  bool is_stalled();
  size_t held_bytes() const noexcept;

  const Exchange::Origin origin_;
  const std::unique_ptr<PodsInUse::Use> pod_use_;
  H1ServerStream stream_;
  std::unique_ptr<Exchange> exchange_;
  const std::unique_ptr<hbone::Alarm> patience_;  // for a head, then for the client's end
  std::unique_ptr<hbone::Alarm> starved_;
  std::unique_ptr<hbone::Alarm> stall_;  // runs while something waits to be sent
  uint64_t written_ = 0;                 // when it was started last
  size_t accounted_bytes_ = 0;
  Awaited awaited_ = Awaited::kNothing;  // what patience_ was started for
  bool has_asked_ = false;               // the client, once
  bool has_looked_ = false;              // for what the loop has not told, since then
  bool is_to_end_ = false;               // between two requests
  bool is_closing_ = false;
  bool is_lingering_ = false;
};

}  // namespace keelson::proxy
