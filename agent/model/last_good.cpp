// One file an object: {"file": ..., "line": ..., "object": ...} in one line of JSON, named by the
// object's id, so that names of any length and characters are safe.
#include "model/last_good.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <set>

#include "base/content_id.h"
#include "base/fd.h"
#include "document/parse.h"
#include "model/store.h"

namespace keelson::model {
namespace {

using document::Value;

constexpr std::string_view kSuffix = ".json";

std::string temporary_name(const std::string& dir, const std::string& name) {
  return dir + "/." + name + ".new";
}

Result<void> write_temporary(const std::string& dir, const std::string& name,
                             std::string_view text) {
  const std::string path = temporary_name(dir, name);
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return fail_errno(Reason::io_error, errno, path);
  while (!text.empty()) {
    const ssize_t written = ::write(fd.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno(Reason::io_error, errno, path);
    text.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

// After a power loss an empty copy would be worse than the old one. One call for all of them: an
// fsync() of each of a thousand took seconds.
Result<void> sync_folder(const std::string& dir) {
  const Fd fd(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::syncfs(fd.get()) != 0) return fail_errno(Reason::io_error, errno, dir);
  return {};
}

Result<std::string> read_file(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return fail_errno(Reason::file_unreadable, errno, path);
  std::string text;
  char buffer[16384];
  while (text.size() <= document::kDocumentBytesMax) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(Reason::file_unreadable, errno, path);
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
  }
  return fail(Reason::document_too_large, ErrorSource::kConfig, path);
}

// The names in `dir` that are ours, sorted. A missing folder is empty.
Result<std::set<std::string>> list_copies(const std::string& dir) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(dir.c_str()), ::closedir);
  if (stream == nullptr && errno == ENOENT) return std::set<std::string>{};
  if (stream == nullptr) return fail_errno(Reason::file_unreadable, errno, dir);
  std::set<std::string> names;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with('.') && name.ends_with(kSuffix)) names.emplace(name);
  }
  return names;
}

const SourceRef& place_of(const AnyObject& object) {
  return std::visit([](const auto& o) -> const SourceRef& { return o->meta.where; }, object);
}

std::string copy_text(const SourceRef& where, const std::string& object) {
  return "{\"file\": " + Value::string(where.file, 0).to_json() +
         ", \"line\": " + std::to_string(where.line) + ", \"object\": " + object + "}\n";
}

}  // namespace

// A kind keeps copies or does not: those that do not, with all the endpoints of a cluster, are
// passed over as a whole.
Copies Store::last_good_copies() const {
  Copies copies;
  const ObjectKey* last = nullptr;
  for (auto at = standings_.begin(); at != standings_.end();) {
    const ObjectKey& key = *at->key;
    const Claim& claim = *at->claim;
    if (claim.good && claim.good->text.empty()) {
      const ObjectKey behind{static_cast<Kind>(static_cast<int>(key.kind) + 1), "", ""};
      at = first_claim(behind);
      continue;
    }
    const bool serves = last == nullptr || *last != key;
    last = &key;
    if (serves && claim.good)
      copies[fmt::format("{:016x}", content_id(key.to_string())) + std::string(kSuffix)] =
          copy_text(place_of(claim.good->object), claim.good->text);
    ++at;
  }
  return copies;
}

Result<void> LastGoodFolder::save(const Copies& wanted) {
  if (::mkdir(dir_.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_errno(Reason::io_error, errno, dir_);
  KS_ASSIGN(const std::set<std::string> present, list_copies(dir_));
  KS_ASSIGN(const std::set<std::string> changed, write_changed(wanted, present));
  if (!changed.empty()) KS_TRY(sync_folder(dir_));
  for (const std::string& name : changed) {
    const std::string final_name = dir_ + "/" + name;
    if (::rename(temporary_name(dir_, name).c_str(), final_name.c_str()) != 0)
      return fail_errno(Reason::io_error, errno, final_name);
    saved_[name] = wanted.at(name);
  }
  for (const std::string& name : present) {
    if (wanted.contains(name)) continue;
    if (::unlink((dir_ + "/" + name).c_str()) != 0 && errno != ENOENT)
      return fail_errno(Reason::io_error, errno, dir_ + "/" + name);
    saved_.erase(name);
  }
  return {};
}

Result<std::set<std::string>> LastGoodFolder::write_changed(const Copies& wanted,
                                                            const std::set<std::string>& present) {
  std::set<std::string> changed;
  for (const auto& [name, text] : wanted) {
    if (present.contains(name)) {
      auto saved = saved_.find(name);
      if (saved == saved_.end())  // of an agent before this one
        saved = saved_.emplace(name, read_file(dir_ + "/" + name).value_or("")).first;
      if (saved->second == text) continue;
    }
    KS_TRY(write_temporary(dir_, name, text));
    changed.insert(name);
  }
  return changed;
}

Result<void> Store::load_last_good(const std::string& dir) {
  KS_ASSIGN(const std::set<std::string> names, list_copies(dir));
  for (const std::string& name : names) load_copy(dir + "/" + name);
  return {};
}

void Store::load_copy(const std::string& path) {
  const auto skip = [this, &path](Reason reason, std::string message) {
    restore_findings_.push_back({Severity::kWarning,
                                 reason,
                                 {path, 0},
                                 "",
                                 "a last good copy cannot be used: " + std::move(message),
                                 "remove the file; it is written again"});
  };
  const auto text = read_file(path);
  if (!text) return skip(text.error().reason, text.error().message());
  const auto parsed = document::parse_yaml(*text, path);
  if (!parsed) return skip(parsed.error().reason, parsed.error().message());
  if (parsed->size() != 1) return skip(Reason::syntax_error, "not one document");
  const Value* file = parsed->front().find("file");
  const Value* line = parsed->front().find("line");
  const Value* object = parsed->front().find("object");
  if (file == nullptr || line == nullptr || object == nullptr || !object->is_mapping())
    return skip(Reason::missing_field, "file, line or object is missing");
  // Leading line breaks put the object back on the line where it stood.
  const int64_t breaks = std::clamp<int64_t>(line->as_int64().value_or(1) - 1, 0, 1'000'000);
  DecodedFile decoded =
      line->as_int64() == 0
          ? decode_object(file->text(), object->to_json())
          : decode_file(file->text(),
                        std::string(static_cast<size_t>(breaks), '\n') + object->to_json());
  if (decoded.objects.size() != 1 || !decoded.objects[0].object)
    return skip(Reason::bad_value, "this version of Keelson refuses the object");
  DecodedObject& good = decoded.objects[0];
  restored_in_[file->text()].insert(good.key);
  restored_[good.key] = {file->text(), {std::move(*good.object), std::move(good.text)}};
}

}  // namespace keelson::model
