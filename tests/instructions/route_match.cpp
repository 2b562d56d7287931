// A table of 1,000 rules, each for a path prefix and a header; the requests ask for many of them.
#include <string>
#include <vector>

#include "collected.h"
#include "operation.h"
#include "proxy/route/route_table.h"

namespace keelson::instructions {
namespace {

constexpr size_t kRules = 1000;
constexpr size_t kRequests = 50;  // divides every count of operations

std::string path_of(size_t rule) {
  return "/team-" + std::to_string(rule % 40) + "/service-" + std::to_string(rule) + "/api";
}

std::shared_ptr<const proxy::RouteTable> make_table() {
  auto set = std::make_shared<config::RouteSet>();
  for (size_t i = 0; i < kRules; i++) {
    set->rules.emplace_back().name = "shop/service-" + std::to_string(i) + "#0";
    config::RequestMatch match;
    match.path = path_of(i);
    match.headers = {{config::TextMatch::kExact, "x-version", "v2"}};
    set->entries.push_back({match, static_cast<uint32_t>(i)});
  }
  return must(proxy::RouteTable::build(set));
}

http::MessageHead make_request(size_t rule) {
  http::MessageHead head;
  head.method = "GET";
  head.authority = "shop.example";
  head.target = path_of(rule) + "/v1/orders/4711?page=2";
  head.headers.add("user-agent", "shop-frontend/3.1 (linux)");
  head.headers.add("accept", "application/json");
  head.headers.add("accept-encoding", "gzip");
  head.headers.add("x-request-id", "5f4dcc3b-5aa7-65d6-1d83-27deb882cf99");
  head.headers.add("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  head.headers.add("x-version", "v2");
  return head;
}

class RouteMatch final : public Operation {
 public:
  RouteMatch() {
    for (size_t i = 0; i < kRequests; i++)
      requests_.push_back(make_request(i * (kRules / kRequests)));
  }
  void run() override {
    const http::MessageHead& request = requests_[next_++ % requests_.size()];
    std::optional<proxy::RouteTable::Match> found;
    {
      const Collected collected;
      found = table_->match(request);
    }
    expect(found.has_value(), "no rule matched");
  }

 private:
  const std::shared_ptr<const proxy::RouteTable> table_ = make_table();
  std::vector<http::MessageHead> requests_;
  size_t next_ = 0;
};

}  // namespace

std::unique_ptr<Operation> make_route_match() {
  return std::make_unique<RouteMatch>();
}

}  // namespace keelson::instructions
