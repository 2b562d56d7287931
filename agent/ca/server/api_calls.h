// ApiCalls: single requests to the API server whose answer is one JSON document, kept until they
// are answered. Loop's thread; answers later, never from within ask(). Nobody is called once it is
// destroyed. Each call is over after kCallTime.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "document/value.h"
#include "rest/client.h"

namespace keelson::ca {

class ApiCalls {
 public:
  static constexpr std::chrono::milliseconds kCallTime{10'000};
  using Done = std::function<void(Result<document::Value>)>;

  // `client` outlives the calls.
  explicit ApiCalls(rest::Client& client) noexcept : client_(client) {}

  // `body`: JSON, or empty. Error: of rest::Client, of kube::api_error, api_answer_malformed.
  void ask(rest::Request request, Done done);

 private:
  rest::Client& client_;
  std::map<uint64_t, std::unique_ptr<rest::Call>> calls_;
  uint64_t next_id_ = 1;
};

}  // namespace keelson::ca
