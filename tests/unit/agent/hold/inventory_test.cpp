// The inventory without a pod: what it keeps, what it refuses. Pods need namespaces:
// netns/hold_test.
#include "hold/inventory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "hold/privileges.h"
#include "link/memfd.h"

namespace keelson::hold {
namespace {

using link::HoldOp;
using link::HoldRequest;

template <size_t N>
void set(char (&field)[N], const std::string& text) {
  ASSERT_LT(text.size(), N);
  std::memcpy(field, text.c_str(), text.size() + 1);
}

HoldRequest request(HoldOp op, const std::string& store_key = "", const std::string& pod = "") {
  HoldRequest made{};
  made.version = link::kHoldProtocolVersion;
  made.op = op;
  made.count = 1;
  set(made.store_key, store_key);
  set(made.pod, pod);
  return made;
}

std::vector<Fd> one(Fd fd) {
  std::vector<Fd> fds;
  fds.push_back(std::move(fd));
  return fds;
}

class InventoryTest : public testing::Test {
 protected:
  Reason ask(const HoldRequest& asked, std::vector<Fd> fds = {}) {
    const auto answer = inventory_.answer(asked, std::move(fds));
    return answer ? Reason::none : answer.error().reason;
  }
  Reason put(const std::string& key, const std::string& content) {
    auto memfd = link::make_sealed_memfd("test", content);
    EXPECT_TRUE(memfd);
    return ask(request(HoldOp::kPut, key), one(std::move(*memfd)));
  }
  std::string stored(const std::string& key) {
    const auto answer = inventory_.answer(request(HoldOp::kGet, key), {});
    if (!answer || answer->kept.size() != 1) return "";
    const Fd copy(::dup(answer->kept[0]));
    const auto content = link::read_sealed_memfd(copy, 100);
    return content ? *content : "";
  }

  Inventory inventory_;
};

TEST_F(InventoryTest, AStoredMemfdIsReplacedReadAndDropped) {
  EXPECT_EQ(ask(request(HoldOp::kGet, "a")), Reason::not_found);
  EXPECT_EQ(put("a", "old"), Reason::none);
  EXPECT_EQ(put("b", "other"), Reason::none);
  EXPECT_EQ(put("a", "new"), Reason::none);
  EXPECT_EQ(stored("a"), "new");
  EXPECT_EQ(ask(request(HoldOp::kDrop, "a")), Reason::none);
  EXPECT_EQ(ask(request(HoldOp::kDrop, "a")), Reason::none) << "dropping twice is no error";
  EXPECT_EQ(ask(request(HoldOp::kGet, "a")), Reason::not_found);
  EXPECT_EQ(stored("b"), "other");
}

TEST_F(InventoryTest, OnlySealedMemfdsAreStored) {
  EXPECT_EQ(ask(request(HoldOp::kPut, "a"), one(Fd(::open("/dev/null", O_RDWR | O_CLOEXEC)))),
            Reason::message_malformed);
  EXPECT_EQ(ask(request(HoldOp::kPut, "a"),
                one(Fd(::memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING)))),
            Reason::message_malformed);
  EXPECT_EQ(ask(request(HoldOp::kGet, "a")), Reason::not_found);
}

TEST_F(InventoryTest, AFullStoreRefusesNewKeysAndStillReplaces) {
  ASSERT_TRUE(raise_fd_limit());
  if (::sysconf(_SC_OPEN_MAX) < 2 * link::kStoreEntriesMax) GTEST_SKIP() << "few descriptors";
  auto memfd = link::make_sealed_memfd("test", "x");
  ASSERT_TRUE(memfd);
  for (int i = 0; i < link::kStoreEntriesMax; ++i)
    ASSERT_EQ(ask(request(HoldOp::kPut, std::to_string(i)), one(Fd(::dup(memfd->get())))),
              Reason::none);
  EXPECT_EQ(put("one-more", "y"), Reason::hold_refused);
  EXPECT_EQ(put("7", "replaced"), Reason::none);
  EXPECT_EQ(stored("7"), "replaced");
  EXPECT_EQ(ask(request(HoldOp::kDrop, "8")), Reason::none);
  EXPECT_EQ(put("one-more", "y"), Reason::none);
}

TEST_F(InventoryTest, AnUnknownPodIsSaidByItsOwnReason) {
  EXPECT_EQ(ask(request(HoldOp::kListeners, "", "pod-x")), Reason::pod_unknown);
  EXPECT_EQ(ask(request(HoldOp::kSockets, "", "pod-x")), Reason::pod_unknown);
  EXPECT_EQ(
      ask(request(HoldOp::kAdopt, "", "pod-x"), one(Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)))),
      Reason::pod_unknown);
  EXPECT_EQ(ask(request(HoldOp::kForget, "", "pod-x")), Reason::none);
  EXPECT_EQ(ask(request(HoldOp::kList)), Reason::not_found);
}

TEST_F(InventoryTest, WithoutADescriptorToSpareNoPathIsCalledInvalid) {
  HoldRequest asked = request(HoldOp::kRegister, "", "pod-x");
  set(asked.netns_path, "/proc/self/ns/net");
  // UBSan looks at a type once, and needs a descriptor for it.
  EXPECT_EQ(ask(request(HoldOp::kList)), Reason::not_found);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const Reason reason = ask(asked);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(reason, Reason::io_error);
}

TEST_F(InventoryTest, KeysMustBeTerminatedAndNotEmpty) {
  for (const HoldOp op : {HoldOp::kRegister, HoldOp::kForget, HoldOp::kListeners, HoldOp::kSockets,
                          HoldOp::kGet, HoldOp::kDrop}) {
    EXPECT_EQ(ask(request(op)), Reason::message_malformed) << static_cast<uint32_t>(op);
    HoldRequest unterminated = request(op);
    std::ranges::fill(unterminated.pod, 'x');
    std::ranges::fill(unterminated.store_key, 'x');
    EXPECT_EQ(ask(unterminated), Reason::message_malformed) << static_cast<uint32_t>(op);
  }
}

TEST_F(InventoryTest, AnUnexpectedFdAMissingOneAndOneTooManyAreMalformed) {
  const auto null = [] { return Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); };
  EXPECT_EQ(ask(request(HoldOp::kGet, "a"), one(null())), Reason::message_malformed);
  EXPECT_EQ(ask(request(HoldOp::kForget, "", "p"), one(null())), Reason::message_malformed);
  EXPECT_EQ(ask(request(HoldOp::kPut, "a")), Reason::message_malformed);
  EXPECT_EQ(ask(request(HoldOp::kTagMap)), Reason::message_malformed);
  std::vector<Fd> two = one(null());
  two.push_back(null());
  EXPECT_EQ(ask(request(HoldOp::kPut, "a"), std::move(two)), Reason::message_malformed);
}

TEST_F(InventoryTest, RefusedDescriptorsAreClosed) {
  Fd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int number = fd.get();
  EXPECT_EQ(ask(request(HoldOp::kPut, "a"), one(std::move(fd))), Reason::message_malformed);
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

TEST_F(InventoryTest, ATagMapIsASocketStorageMap) {
  EXPECT_EQ(ask(request(HoldOp::kTagMap), one(Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)))),
            Reason::message_malformed);
}

TEST_F(InventoryTest, APathThatIsNoNetworkNamespaceRegistersNothing) {
  for (const char* path : {"/dev/null", "/proc/self/ns/mnt", "/proc/self/ns/net", "/no/such"}) {
    HoldRequest asked = request(HoldOp::kRegister, "", "pod-a");
    set(asked.netns_path, path);
    EXPECT_EQ(ask(asked), Reason::netns_invalid) << path;
  }
  EXPECT_EQ(ask(request(HoldOp::kListeners, "", "pod-a")), Reason::pod_unknown);
}

TEST_F(InventoryTest, AnUnknownRequestIsMalformed) {
  EXPECT_EQ(ask(request(static_cast<HoldOp>(0))), Reason::message_malformed);
  EXPECT_EQ(ask(request(static_cast<HoldOp>(77))), Reason::message_malformed);
}

}  // namespace
}  // namespace keelson::hold
