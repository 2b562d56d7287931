#include "kube/api_error.h"

#include <gtest/gtest.h>

namespace keelson::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(ApiError, EachStatusHasItsReason) {
  struct Case {
    int status;
    const char* body;
    Reason reason;
  };
  for (const Case& each : std::initializer_list<Case>{
           {401, "", Reason::api_unauthorized},
           {403, "{}", Reason::api_forbidden},
           {404, "<html>", Reason::api_kind_missing},
           {410, "", Reason::api_version_expired},
           {400, R"({"kind":"Status","reason":"Expired"})", Reason::api_version_expired},
           {504, R"({"reason":"Timeout","message":"Too large resource version: 9, current: 7"})",
            Reason::api_version_expired},
           {504, "", Reason::api_refused},
           {429, "", Reason::api_overloaded},
           {503, "", Reason::api_overloaded},
           {422, R"({"reason":"Invalid"})", Reason::api_refused},
           {500, "", Reason::api_refused}})
    EXPECT_EQ(api_error("x", rest::Answer{each.status, each.body, {}}).error.reason, each.reason)
        << each.status << each.body;
}

TEST(ApiError, SaysWhatTheServerSaidAndWhenToComeBack) {
  const char* body = R"({"code":429,"reason":"TooManyRequests","message":"slow down",)"
                     R"("details":{"group":"","retryAfterSeconds":3}})";
  const ApiError by_body = api_error("list pods", rest::Answer{429, body, {}});
  EXPECT_EQ(by_body.error.context, "list pods: 429 TooManyRequests: slow down");
  EXPECT_EQ(by_body.retry_after, seconds(3));
  EXPECT_EQ(api_error("x", rest::Answer{429, body, seconds(8)}).retry_after, seconds(8));
}

TEST(Backoff, DoublesToItsLimitAndStartsAgain) {
  Backoff backoff([] { return 0.5; });
  std::vector<milliseconds> delays;
  for (int i = 0; i < 8; ++i) delays.push_back(backoff.next());
  EXPECT_EQ(delays,
            (std::vector<milliseconds>{milliseconds(800), milliseconds(1600), milliseconds(3200),
                                       milliseconds(6400), milliseconds(12800), milliseconds(25600),
                                       milliseconds(30000), milliseconds(30000)}));
  backoff.reset();
  EXPECT_EQ(backoff.next(), milliseconds(800));
}

TEST(Backoff, IsSpreadAndNeverEarlierThanAsked) {
  Backoff low([] { return 0.0; }), high([] { return 0.999; });
  EXPECT_EQ(low.next(), milliseconds(400));
  EXPECT_EQ(high.next(), milliseconds(1199));
  EXPECT_EQ(low.next(seconds(20)), milliseconds(20000));
  EXPECT_EQ(high.next(seconds(20)), milliseconds(20999));
}

}  // namespace
}  // namespace keelson::kube
