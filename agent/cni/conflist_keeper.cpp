#include "cni/conflist_keeper.h"

#include <dirent.h>
#include <spdlog/spdlog.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <vector>

#include "cni/node_file.h"

namespace keelson::cni {
namespace {

// IN_CREATE: links come whole, without a later event.
constexpr uint32_t kFolderEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                   IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
// May name tokens of the primary; the runtime is root.
constexpr mode_t kConflistMode = 0600;

// Without subfolders, as libcni reads it.
Result<std::vector<std::string>> file_names(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> handle(::opendir(folder.c_str()), ::closedir);
  if (handle == nullptr) return fail_errno(Reason::io_error, errno, "open folder " + folder);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(handle.get()))
    if (entry->d_type != DT_DIR) names.emplace_back(entry->d_name);
  return names;
}

}  // namespace

ConflistKeeper::ConflistKeeper(io::EventLoop& loop, const Clock& clock, KeeperOptions options)
    : options_(std::move(options)),
      path_(options_.folder + "/" + std::string(kConflistName)),
      loop_(loop),
      clock_(clock),
      look_timer_(loop, [this] { look(); }),
      watch_timer_(loop, [this] {
        watch();
        look();
      }) {}

void ConflistKeeper::start() {
  remove_left_temporaries(path_);
  watch();
  look();
}

void ConflistKeeper::keep_away() {
  if (is_kept_away_) return;
  is_kept_away_ = true;
  written_.clear();
  start();
}

void ConflistKeeper::watch() {
  poll_.reset();
  inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  const bool watches =
      inotify_ && ::inotify_add_watch(inotify_.get(), options_.folder.c_str(), kFolderEvents) >= 0;
  auto poll = watches ? io::Poll::open(loop_, inotify_.get(), [this](auto) { on_events(); })
                      : Result<io::Poll>(fail_errno(Reason::io_error, errno, options_.folder));
  if (!poll) {
    watch_timer_.start(options_.watch_again);
    return;
  }
  poll_.emplace(std::move(*poll));
  poll_->watch({.readable = true});
}

void ConflistKeeper::on_events() {
  alignas(inotify_event) std::array<char, 8192> buffer;
  bool has_lost_folder = false;
  for (ssize_t got; (got = ::read(inotify_.get(), buffer.data(), buffer.size())) > 0;) {
    for (ssize_t at = 0; at < got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      has_lost_folder |= (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0;
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
  }
  if (has_lost_folder)
    watch_timer_.start(options_.settle);
  else
    look_timer_.start(options_.settle);
}

void ConflistKeeper::look() {
  auto settled = is_kept_away_ ? settle_away() : settle_file();
  if (settled) {
    problem_.reset();
    return;
  }
  Error error = std::move(settled).error();
  if (!problem_ || problem_->message() != error.message())
    spdlog::error("component=cni reason={} msg=\"{}\"", reason_name(error.reason), error.message());
  problem_ = std::move(error);
}

Result<void> ConflistKeeper::settle_file() {
  KS_ASSIGN(const std::vector<std::string> names, file_names(options_.folder));
  const auto ours = read_node_file(path_);
  if (!ours && ours.error().reason != Reason::not_found) return Failure(ours.error());
  const std::string primary = primary_of(names);
  if (primary.empty()) {
    // Without a primary the node has no network for pods, and must be seen to have none.
    if (ours) KS_TRY(remove_node_file(path_));
    written_.clear();
    return fail(Reason::not_found, ErrorSource::kConfig,
                "no CNI configuration in " + options_.folder + " to chain after; install a CNI");
  }
  KS_ASSIGN(const std::string text, read_node_file(options_.folder + "/" + primary));
  KS_ASSIGN(const std::string wanted, chain_after(primary, text, options_.plugin));
  if (ours && *ours == wanted)
    written_ = wanted;
  else
    KS_TRY(replace(wanted, wanted == written_));
  if (primary < kConflistName)
    return fail(Reason::bad_value, ErrorSource::kConfig,
                options_.folder + "/" + primary + " sorts before " + std::string(kConflistName) +
                    ": the container runtime starts pods without keelson-cni; rename that file");
  return {};
}

Result<void> ConflistKeeper::settle_away() {
  const auto there = read_node_file(path_);
  if (!there && there.error().reason == Reason::not_found) return {};
  if (!there) return Failure(there.error());
  if (!is_ours(*there)) return {};
  KS_TRY(remove_node_file(path_));
  spdlog::info("component=cni msg=\"removed {}: pods start without the mesh\"", path_);
  return {};
}

Result<void> ConflistKeeper::replace(const std::string& wanted, bool is_repair) {
  if (is_repair && !may_repair_now())
    return fail(Reason::bad_value, ErrorSource::kConfig,
                path_ +
                    " is changed or removed again and again by somebody else; with Cilium set "
                    "cni.exclusive=false");
  KS_TRY(replace_node_file(path_, wanted, kConflistMode));
  ++writes_;
  written_ = wanted;
  if (is_repair) {
    ++repairs_;
    spdlog::warn("component=cni msg=\"{} was changed or removed by somebody else; written again\"",
                 path_);
  } else {
    spdlog::info("component=cni msg=\"wrote {}\"", path_);
  }
  return {};
}

// Some CNIs move every other file away for as long as they run (Cilium with cni.exclusive). The
// first repair comes at once, the next ones after pauses that grow until somebody gives in.
bool ConflistKeeper::may_repair_now() {
  const MonotonicTime now = clock_.now();
  const bool was_quiet = repairs_ == 0 || now - last_repair_ > options_.repair_pause_max;
  if (was_quiet) {
    pause_ = {};
  } else if (now - last_repair_ < pause_) {
    look_timer_.start(std::chrono::ceil<std::chrono::milliseconds>(last_repair_ + pause_ - now));
    return false;
  }
  pause_ = std::clamp(pause_ * 2, options_.repair_pause, options_.repair_pause_max);
  last_repair_ = now;
  return true;
}

void ConflistKeeper::stop() {
  poll_.reset();
  inotify_.reset();
  look_timer_.stop();
  watch_timer_.stop();
}

Result<void> ConflistKeeper::remove() {
  stop();
  written_.clear();
  return remove_node_file(path_);
}

}  // namespace keelson::cni
