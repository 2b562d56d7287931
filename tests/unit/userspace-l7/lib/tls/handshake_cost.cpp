// Prints what a mutual handshake, its signature and the hand-over to ThreadSigner cost on this
// machine: the figures behind tls/signer.h. Not a test; run by hand from a release build.
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>

#include "tls_peers.h"

namespace keelson::tls {
namespace {

using SteadyClock = std::chrono::steady_clock;

double microseconds_since(SteadyClock::time_point start, int rounds) {
  return std::chrono::duration<double, std::micro>(SteadyClock::now() - start).count() / rounds;
}

// Adds up the time spent inside steps.
class TimingSigner final : public Signer {
 public:
  Outcome submit(std::shared_ptr<HandshakeStep> step) override {
    const auto start = SteadyClock::now();
    step->run();
    spent += SteadyClock::now() - start;
    return Outcome::kDone;
  }
  SteadyClock::duration spent{};
};

void measure_handshakes() {
  const test::TestMesh mesh;
  const auto client = TlsContext::make(mesh.material("shop", "cart"));
  const auto server = TlsContext::make(mesh.material("pay", "till"));
  constexpr int kRounds = 1000;
  TimingSigner signer;
  const auto start = SteadyClock::now();
  for (int i = 0; i < kRounds; ++i) {
    test::TlsPeers peers(signer);
    peers.begin_with(*client, *server, {test::spiffe_id("pay", "till")});
    peers.run();
  }
  const double whole = microseconds_since(start, kRounds);
  const double steps = std::chrono::duration<double, std::micro>(signer.spent).count() / kRounds;
  std::printf("mutual handshake, both sides: %.0f us, of it in steps: %.0f us\n", whole, steps);
}

void measure_signature() {
  const KeyPtr key = std::move(*generate_p256_key());
  constexpr int kRounds = 5000;
  const auto start = SteadyClock::now();
  for (int i = 0; i < kRounds; ++i) {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    unsigned char signature[80];
    size_t size = sizeof signature;
    const unsigned char text[64] = {};
    EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key.get());
    EVP_DigestSign(context, signature, &size, text, sizeof text);
    EVP_MD_CTX_free(context);
  }
  std::printf("P-256 signature: %.1f us\n", microseconds_since(start, kRounds));
}

class EmptyStep final : public HandshakeStep {
 public:
  void run() noexcept override {}
  void on_done() noexcept override { is_done = true; }
  bool is_done = false;
};

void measure_hand_over() {
  std::mutex mutex;
  std::condition_variable arrived;
  std::function<void()> posted;
  ThreadSigner signer([&](std::function<void()> call) {
    const std::lock_guard lock(mutex);
    posted = std::move(call);
    arrived.notify_one();
    return true;
  });
  constexpr int kRounds = 5000;
  const auto start = SteadyClock::now();
  for (int i = 0; i < kRounds; ++i) {
    const auto step = std::make_shared<EmptyStep>();
    signer.submit(step);
    while (!step->is_done) {
      std::unique_lock lock(mutex);
      arrived.wait(lock, [&] { return static_cast<bool>(posted); });
      const auto call = std::exchange(posted, nullptr);
      lock.unlock();
      call();
    }
  }
  std::printf("hand-over there and back: %.1f us\n", microseconds_since(start, kRounds));
}

}  // namespace
}  // namespace keelson::tls

int main() {
  keelson::tls::measure_handshakes();
  keelson::tls::measure_signature();
  keelson::tls::measure_hand_over();
}
