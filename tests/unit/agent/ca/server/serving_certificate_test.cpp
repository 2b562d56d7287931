#include "ca/server/serving_certificate.h"

#include <gtest/gtest.h>

#include "ca/root_keeper.h"
#include "ca_fakes.h"
#include "support/fake_clock.h"

namespace keelson::ca {
namespace {

using std::chrono::hours;

class ServingCertificateTest : public ::testing::Test {
 protected:
  ServingCertificateTest() { keeper_.run(); }
  WallTime end_at(WallTime now) {
    const auto context = certificate_.context(keeper_.usable(), now);
    EXPECT_TRUE(context);
    return context ? (*context)->not_after() : WallTime();
  }

  test::FakeClock clock_;
  test::FakeRoots store_;
  RootKeeper keeper_{{}, store_, clock_};
  ServingCertificate certificate_{{"keelson-ca"}};
};

TEST_F(ServingCertificateTest, IsMadeAgainWhenHalfOfItsLifeIsOver) {
  const WallTime now = clock_.wall_now();
  const WallTime first = end_at(now);
  EXPECT_EQ(end_at(now + hours(11)), first);
  EXPECT_EQ(end_at(now + hours(12)), first + hours(12));
}

// A node whose clock is set right after its start: agents refuse what is not valid yet.
TEST_F(ServingCertificateTest, IsMadeAgainWhenTheClockWasSetBackBeforeItsMaking) {
  const WallTime now = clock_.wall_now();
  const WallTime first = end_at(now + hours(8));
  EXPECT_EQ(end_at(now), first - hours(8));
}

}  // namespace
}  // namespace keelson::ca
