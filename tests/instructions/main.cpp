// instructions NAME N: does one operation N times. instructions --list: the names, each with the N
// that makes its figure steady. instructions --versions: what the figures depend on, name=value.
// tools/bench/instructions runs it under callgrind.
#include <gnu/libc-version.h>
#include <nghttp2/nghttp2.h>
#include <openssl/crypto.h>
#include <uv.h>
#include <valgrind/callgrind.h>

#include <charconv>
#include <cstdio>
#include <functional>
#include <string_view>

#include "operation.h"

namespace keelson::instructions {
namespace {

struct Kind {
  std::string_view name;
  int operations;
  std::function<std::unique_ptr<Operation>()> make;
};

const std::array kKinds{
    Kind{"h1_exchange", 200, make_h1_exchange},
    Kind{"hbone_client", 200, [] { return make_hbone_exchange(Measured::kClient); }},
    Kind{"hbone_server", 200, [] { return make_hbone_exchange(Measured::kServer); }},
    Kind{"tls_handshake_client", 10, [] { return make_tls_handshake(Measured::kClient); }},
    Kind{"tls_handshake_server", 10, [] { return make_tls_handshake(Measured::kServer); }},
    Kind{"route_match", 1000, make_route_match},
};

const Kind* find(std::string_view name) {
  for (const Kind& kind : kKinds)
    if (kind.name == name) return &kind;
  return nullptr;
}

int list() {
  for (const Kind& kind : kKinds) std::printf("%s %d\n", kind.name.data(), kind.operations);
  return 0;
}

int print_versions() {
  std::printf("compiler=gcc %s\nlibc=%s\nopenssl=%s\nnghttp2=%s\nlibuv=%s\n", __VERSION__,
              gnu_get_libc_version(), OpenSSL_version(OPENSSL_VERSION_STRING),
              nghttp2_version(0)->version_str, uv_version_string());
  return 0;
}

int run(const Kind& kind, int operations) {
  try {
    const auto operation = kind.make();
    CALLGRIND_ZERO_STATS;  // a profile without the set-up
    for (int i = 0; i < operations; i++) operation->run();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "instructions: %s: %s\n", kind.name.data(), error.what());
    return 1;
  }
}

}  // namespace
}  // namespace keelson::instructions

int main(int argc, char** argv) {
  using namespace keelson::instructions;
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (argc == 2 && first == "--list") return list();
  if (argc == 2 && first == "--versions") return print_versions();
  const Kind* kind = find(first);
  const std::string_view number = argc == 3 ? argv[2] : "";
  int operations = 0;
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), operations);
  if (kind == nullptr || operations <= 0 || error != std::errc() ||
      end != number.data() + number.size()) {
    std::fprintf(stderr, "usage: instructions NAME N | --list | --versions\n");
    return 2;
  }
  return run(*kind, operations);
}
