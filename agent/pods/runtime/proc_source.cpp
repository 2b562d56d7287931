#include "pods/runtime/proc_source.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>

namespace keelson::pods {
namespace {

constexpr size_t kUidBytes = 36;  // 8-4-4-4-12 hexadecimal digits

bool is_uid(std::string_view text) {
  if (text.size() != kUidBytes) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (is_dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0)
      return false;
  }
  return true;
}

// A static pod's is the hash of its manifest: 32 digits without dashes.
bool is_static_uid(std::string_view text) {
  return text.size() == 32 && std::all_of(text.begin(), text.end(), [](unsigned char byte) {
           return std::isxdigit(byte) != 0;
         });
}

std::string uid_of_part(std::string_view part) {
  if (part.ends_with(".slice")) part.remove_suffix(6);
  const size_t at = part.rfind("pod");
  if (at == std::string_view::npos || (at != 0 && part[at - 1] != '-')) return {};
  std::string uid(part.substr(at + 3));
  std::replace(uid.begin(), uid.end(), '_', '-');
  return is_uid(uid) || is_static_uid(uid) ? uid : std::string();
}

// Device and inode: equal exactly for the same namespace. Nothing: the process is gone, or hidden.
std::optional<std::pair<dev_t, ino_t>> namespace_at(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return std::pair(status.st_dev, status.st_ino);
}

std::string text_at(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool is_number(const char* name) {
  return *name != '\0' && std::all_of(name, name + std::char_traits<char>::length(name),
                                      [](unsigned char byte) { return std::isdigit(byte) != 0; });
}

}  // namespace

std::string pod_uid_of_cgroup(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
    if (line.find("kubepods") == std::string_view::npos) continue;
    while (!line.empty()) {
      const size_t slash = line.find('/');
      std::string uid = uid_of_part(line.substr(0, slash));
      if (!uid.empty()) return uid;
      line = slash == std::string_view::npos ? "" : line.substr(slash + 1);
    }
  }
  return {};
}

ProcSource::ProcSource(io::EventLoop& loop, std::string proc)
    : proc_(std::move(proc)),
      later_(loop, [this] { std::exchange(on_listed_, nullptr)(scan()); }) {}

void ProcSource::list(OnListed on_listed) {
  on_listed_ = std::move(on_listed);
  later_.start({});
}

Result<std::vector<Sandbox>> ProcSource::scan() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(proc_.c_str()), ::closedir);
  if (folder == nullptr) return fail_errno(Reason::io_error, errno, "open folder " + proc_);
  const auto node = namespace_at(proc_ + "/1/ns/net");
  if (!node)
    return fail_errno(Reason::io_error, errno,
                      proc_ +
                          "/1/ns/net: the node's own processes are not to be seen; mount the "
                          "node's /proc, or name the container runtime's socket");
  std::map<std::string, Sandbox> found;
  while (const dirent* entry = ::readdir(folder.get())) {
    if (!is_number(entry->d_name)) continue;
    const std::string process = proc_ + "/" + entry->d_name;
    const std::string uid = pod_uid_of_cgroup(text_at(process + "/cgroup"));
    if (uid.empty()) continue;
    const std::string path = process + "/ns/net";
    const auto seen = namespace_at(path);
    if (!seen || *seen == *node) continue;  // gone, or a pod on the node's network
    const auto last = last_.find(uid);
    const bool still_leads_there =
        last != last_.end() && namespace_at(last->second.netns_path) == seen;
    found.try_emplace(
        uid, still_leads_there ? last->second : Sandbox{"proc-" + uid, uid, path, {}, true});
  }
  last_ = std::move(found);
  std::vector<Sandbox> sandboxes;
  for (const auto& [uid, sandbox] : last_) sandboxes.push_back(sandbox);
  return sandboxes;
}

}  // namespace keelson::pods
