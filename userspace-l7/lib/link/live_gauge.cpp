#include "link/live_gauge.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace keelson::link {
namespace {

// More than a proxy has descriptors: a liar shall not ruin a counter for good.
constexpr uint64_t kStreamsPerCellMax = 1'000'000;

Result<GaugeCells> map(const Fd& memfd, size_t cells, int protection) {
  void* const at =
      ::mmap(nullptr, cells * GaugeCells::kStride, protection, MAP_SHARED, memfd.get(), 0);
  if (at == MAP_FAILED) return fail_errno(Reason::io_error, errno, "mapping the live gauge");
  return GaugeCells(at, cells);
}

}  // namespace

std::atomic<uint64_t>& GaugeCells::operator[](size_t index) const noexcept {
  static_assert(std::atomic<uint64_t>::is_always_lock_free, "it lives in shared memory");
  return *reinterpret_cast<std::atomic<uint64_t>*>(static_cast<std::byte*>(at_.get()) +
                                                   index * kStride);
}

void GaugeCells::Unmap::operator()(void* at) const noexcept {
  ::munmap(at, count * kStride);
}

Result<LiveGauge> LiveGauge::make(size_t cells) {
  if (cells == 0 || cells > kGaugeCellsMax)
    return fail(Reason::bad_value, ErrorSource::kConfig, "cells of the live gauge");
  Fd memfd(::memfd_create("keelson-live-gauge", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memfd) return fail_errno(Reason::io_error, errno, "memfd_create");
  if (::ftruncate(memfd.get(), static_cast<off_t>(cells * GaugeCells::kStride)) != 0 ||
      ::fcntl(memfd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return fail_errno(Reason::io_error, errno, "sealing the live gauge");
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(memfd.get(), F_SETLK, &lock) != 0)
    return fail_errno(Reason::io_error, errno, "locking the live gauge");
  KS_ASSIGN(GaugeCells mapped, map(memfd, cells, PROT_READ | PROT_WRITE));
  return LiveGauge(std::move(memfd), std::move(mapped));
}

Result<LiveGaugeView> LiveGaugeView::open(Fd memfd, size_t cells) {
  struct stat status {};
  const int seals = ::fcntl(memfd.get(), F_GET_SEALS);
  const bool is_sound = cells > 0 && cells <= kGaugeCellsMax && seals >= 0 &&
                        (seals & F_SEAL_SHRINK) != 0 && ::fstat(memfd.get(), &status) == 0 &&
                        status.st_size == static_cast<off_t>(cells * GaugeCells::kStride);
  // Unsealed it could be cut short under the mapping: SIGBUS.
  if (!is_sound)
    return fail(Reason::message_malformed, ErrorSource::kInternal,
                "live gauge: not a memfd of the right size that cannot shrink");
  KS_ASSIGN(GaugeCells mapped, map(memfd, cells, PROT_READ));
  return LiveGaugeView(std::move(memfd), std::move(mapped), status.st_ino);
}

uint64_t LiveGaugeView::sum() const noexcept {
  uint64_t total = 0;
  for (size_t i = 0; i < cells_.count(); i++)
    total += std::min(cells_[i].load(std::memory_order_relaxed), kStreamsPerCellMax);
  return total;
}

bool LiveGaugeView::is_owner_alive() const noexcept {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return ::fcntl(memfd_.get(), F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

}  // namespace keelson::link
