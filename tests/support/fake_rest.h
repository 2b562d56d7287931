// FakeRest: a rest::Client without a network. A test finds the calls that are under way by a part
// of their target and plays the server. One thread; calls back from within the test's own call,
// which is never within a call to the client.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rest/client.h"

namespace keelson::test {

class FakeRest final : public rest::Client {
 public:
  struct Exchange {
    std::string target, accept;
    std::string method, content_type, body;  // of a request
    bool is_stream = false;
    bool is_over = false;  // answered or cancelled
    rest::StreamHandler handler;
  };

  std::unique_ptr<rest::Call> send(rest::Request request, rest::OnAnswer on_answer) override {
    auto exchange = std::make_shared<Exchange>();
    exchange->target = request.target;
    exchange->accept = request.accept;
    exchange->method = std::move(request.method);
    exchange->content_type = std::move(request.content_type);
    exchange->body = std::move(request.body);
    exchange->handler.on_end = std::move(on_answer);
    return keep(std::move(exchange));
  }
  std::unique_ptr<rest::Call> open_stream(rest::StreamRequest request,
                                          rest::StreamHandler handler) override {
    auto exchange = std::make_shared<Exchange>();
    exchange->target = request.target;
    exchange->accept = request.accept;
    exchange->is_stream = true;
    exchange->handler = std::move(handler);
    return keep(std::move(exchange));
  }

  // The only call under way whose target holds `part`; nullptr and a failure when there is none.
  std::shared_ptr<Exchange> call(std::string_view part) {
    std::shared_ptr<Exchange> found;
    for (const auto& each : exchanges_)
      if (!each->is_over && each->target.find(part) != std::string::npos) found = each;
    if (found == nullptr) ADD_FAILURE() << "no call to " << part << " is under way";
    return found;
  }
  bool is_called(std::string_view part) const {
    return std::ranges::any_of(exchanges_, [part](const auto& each) {
      return !each->is_over && each->target.find(part) != std::string::npos;
    });
  }
  size_t calls_made() const { return exchanges_.size(); }

  void answer(std::string_view part, int status, std::string body,
              std::optional<std::chrono::seconds> retry_after = {}) {
    end(part, rest::Answer{status, std::move(body), retry_after});
  }
  void fail(std::string_view part, Reason reason = Reason::cannot_reach) {
    end(part, keelson::fail(reason, ErrorSource::kUpstream, "away"));
  }
  void fail_all() {
    const auto under_way = exchanges_;
    for (const auto& each : under_way)
      if (!std::exchange(each->is_over, true))
        each->handler.on_end(keelson::fail(Reason::cannot_reach, ErrorSource::kUpstream, "away"));
  }
  void open(std::string_view part) {
    if (const auto exchange = call(part)) exchange->handler.on_open();
  }
  void line(std::string_view part, std::string text) {
    if (const auto exchange = call(part)) exchange->handler.on_line(std::move(text));
  }

 private:
  class FakeCall final : public rest::Call {
   public:
    explicit FakeCall(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
    ~FakeCall() override { exchange_->is_over = true; }
    FakeCall(const FakeCall&) = delete;
    FakeCall& operator=(const FakeCall&) = delete;

   private:
    std::shared_ptr<Exchange> exchange_;
  };

  std::unique_ptr<rest::Call> keep(std::shared_ptr<Exchange> exchange) {
    exchanges_.push_back(exchange);
    return std::make_unique<FakeCall>(std::move(exchange));
  }
  void end(std::string_view part, Result<rest::Answer> answer) {
    const auto exchange = call(part);
    if (exchange == nullptr) return;
    exchange->is_over = true;
    exchange->handler.on_end(std::move(answer));
  }

  std::vector<std::shared_ptr<Exchange>> exchanges_;
};

}  // namespace keelson::test
