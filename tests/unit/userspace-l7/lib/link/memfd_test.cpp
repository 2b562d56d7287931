#include "link/memfd.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace keelson::link {
namespace {

TEST(Memfd, returns_what_was_put_in_also_twice) {
  const std::string content(100'000, 'k');
  const auto memfd = make_sealed_memfd("test", content);
  ASSERT_TRUE(memfd);
  for (int i = 0; i < 2; ++i) {
    const auto read = read_sealed_memfd(*memfd, 100'000);
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(*read, content);
  }
}

TEST(Memfd, cannot_be_written_or_resized_after_sealing) {
  const auto memfd = make_sealed_memfd("test", "key");
  ASSERT_TRUE(memfd);
  EXPECT_EQ(::pwrite(memfd->get(), "x", 1, 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(::ftruncate(memfd->get(), 0), -1);
}

TEST(Memfd, refuses_a_memfd_that_its_sender_could_still_change) {
  const Fd open_memfd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const auto read = read_sealed_memfd(open_memfd, 10);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().reason, Reason::message_malformed);
}

TEST(Memfd, refuses_more_than_the_readers_limit) {
  const auto memfd = make_sealed_memfd("test", "four");
  ASSERT_TRUE(memfd);
  EXPECT_FALSE(read_sealed_memfd(*memfd, 3));
  EXPECT_TRUE(read_sealed_memfd(*memfd, 4));
}

}  // namespace
}  // namespace keelson::link
