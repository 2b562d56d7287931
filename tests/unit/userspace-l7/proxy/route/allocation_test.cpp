// Counts what this program allocates, in a file of its own because it replaces operator new.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "proxy/route/route_table.h"

namespace {
size_t allocations = 0;
}

// Every form that may meet another: a sanitizer has its own of those that are not here. Not
// inlined, or the compiler sees free() meet what it takes for the library's operator new.
[[gnu::noinline]] void* operator new(size_t size, const std::nothrow_t&) noexcept {
  allocations++;
  return std::malloc(size);
}
[[gnu::noinline]] void* operator new(size_t size) {
  if (void* memory = operator new(size, std::nothrow)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, const std::nothrow_t&) noexcept {
  std::free(memory);
}

namespace keelson::proxy {
namespace {

size_t allocations_of_match(const RouteTable& table, const http::MessageHead& head) {
  EXPECT_TRUE(table.match(head));  // RE2 builds its states at the first meeting
  const size_t before = allocations;
  EXPECT_TRUE(table.match(head));
  return allocations - before;
}

TEST(RouteTable, AllocatesNothingForAnOrdinaryRequest) {
  using config::TextMatch;
  auto set = std::make_shared<config::RouteSet>();
  set->rules.resize(1);
  config::RequestMatch match;
  match.path = "/a/long/path/that/no/small/string/holds";
  match.headers = {{TextMatch::kExact, "x-repeated", "the first value, the second value"},
                   {TextMatch::kRegex, "x-single", "a value longer than a small .*"}};
  match.query = {{TextMatch::kExact, "exact", "a value with spaces, longer than small"},
                 {TextMatch::kRegex, "regex", "a-value-without-escapes-that-is-.*"}};
  set->entries.push_back({match, 0});
  const auto table = RouteTable::build(set);
  ASSERT_TRUE(table);

  http::MessageHead head;
  head.method = "GET";
  head.target = match.path +
                "/x?exact=a+value+with%20spaces,+longer+than+small"
                "&regex=a-value-without-escapes-that-is-long";
  head.headers.add("x-repeated", "the first value");
  head.headers.add("x-single", "a value longer than a small string");
  head.headers.add("x-repeated", "the second value");
  EXPECT_EQ(allocations_of_match(**table, head), 0u);
  head.target.replace(1, 1, "%61");
  EXPECT_GT(allocations_of_match(**table, head), 0u) << "or nothing is counted here";
}

}  // namespace
}  // namespace keelson::proxy
