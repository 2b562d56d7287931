#include "ca/server/folder_seams.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/content_id.h"
#include "ca/server/pod_text.h"
#include "ca/state_folder.h"
#include "document/parse.h"

namespace keelson::ca {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kRootsFile = "roots.json";
constexpr const char* kRotateFile = "rotate";
constexpr const char* kExtra = "authentication.kubernetes.io/";

Result<std::string> read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return fail(Reason::file_unreadable, ErrorSource::kConfig, path);
  return text.str();
}

}  // namespace

// ---- tokens ------------------------------------------------------------------------------------

Result<ReviewedToken> FileTokens::find(const std::string& token) const {
  struct stat status {};
  if (::stat(path_.c_str(), &status) != 0) return fail_errno(Reason::file_unreadable, errno, path_);
  if ((status.st_mode & 0077) != 0)
    return fail(Reason::authority_state_unsafe, ErrorSource::kConfig, path_ + " must be 0600");
  KS_ASSIGN(const std::string text, read_text(path_));
  KS_ASSIGN(const auto documents, document::parse_yaml(text, path_));
  ReviewedToken reviewed;
  reviewed.error = "no such token";
  for (const auto& document : documents) {
    const document::Value* entries = document.find("tokens");
    if (entries == nullptr) continue;
    for (const document::Value& entry : entries->items()) {
      if (text_at(entry, {"token"}) != token) continue;
      const auto text_or = [&entry](std::string_view key, const std::string& otherwise) {
        const std::string found = text_at(entry, {key});
        return found.empty() ? otherwise : found;
      };
      reviewed.authenticated = true;
      reviewed.error.clear();
      reviewed.username =
          text_or("user", "system:serviceaccount:" + agents_.ns + ":" + agents_.name);
      reviewed.audiences = {text_or("audience", agents_.audience)};
      for (const auto& [claim, key] : {std::pair{"node-name", "node"},
                                       {"node-uid", "nodeUID"},
                                       {"pod-name", "pod"},
                                       {"pod-uid", "podUID"}})
        if (const std::string found = text_at(entry, {key}); !found.empty())
          reviewed.extra[std::string(kExtra) + claim] = {found};
    }
  }
  return reviewed;
}

void FileTokens::review(const std::string& token, const std::string&, Done done) {
  done(find(token));
}

// ---- pods --------------------------------------------------------------------------------------

Result<std::vector<PodRecord>> FolderPods::read() const {
  std::vector<PodRecord> pods;
  std::error_code error;
  fs::directory_iterator files(folder_, error);
  if (error) return fail_errno(Reason::file_unreadable, error.value(), folder_);
  for (const auto& file : files) {
    if (file.path().extension() != ".yaml") continue;
    KS_ASSIGN(const std::string text, read_text(file.path()));
    KS_ASSIGN(const auto documents, document::parse_yaml(text, file.path()));
    for (const document::Value& object : documents)
      if (text_at(object, {"kind"}) == "Pod")
        pods.push_back(decode_pod(object, PodRecord::Phase::kRunning));
  }
  return pods;
}

void FolderPods::pods_on(const std::string& node, const std::string& ns, const std::string&,
                         Done done) {
  auto pods = read();
  if (pods)
    std::erase_if(*pods, [&](const PodRecord& pod) { return pod.node != node || pod.ns != ns; });
  done(std::move(pods));
}

// ---- roots -------------------------------------------------------------------------------------

Result<StoredRoots> FolderRoots::read() const {
  StoredRoots stored;
  KS_ASSIGN(const Fd folder, open_state_folder(folder_));
  KS_ASSIGN(const auto content, read_state_file(folder, kRootsFile));
  stored.is_rotation_asked = fs::exists(fs::path(folder_) / kRotateFile);
  if (const auto bundle = read_text(bundle_path_)) stored.bundle = *bundle;
  if (!content) return stored;
  stored.version = std::to_string(content_id(content->view()));
  const Json json = Json::parse(content->view(), nullptr, false);
  if (!json.is_object())
    return fail(Reason::authority_state_invalid, ErrorSource::kConfig, folder_ + "/" + kRootsFile);
  for (const auto& [name, text] : json.items())
    if (text.is_string()) stored.files.emplace(name, tls::SecretBytes(text.get<std::string>()));
  return stored;
}

void FolderRoots::load(std::function<void(Result<StoredRoots>)> done) {
  done(read());
}

Result<void> FolderRoots::write(const StoredRoots& loaded, const RootFiles& files) const {
  KS_ASSIGN(const Fd folder, open_state_folder(folder_));
  KS_ASSIGN(const FolderLock lock, FolderLock::take(folder));
  KS_ASSIGN(const StoredRoots now, read());
  if (now.version != loaded.version)
    return fail(Reason::io_error, ErrorSource::kConfig, folder_ + " was changed meanwhile");
  Json json = Json::object();
  for (const auto& [name, content] : files) json[name] = std::string(content.view());
  const tls::SecretBytes text(json.dump());
  KS_TRY(replace_state_file(folder, kRootsFile, text.view()));
  return remove_state_file(folder, kRotateFile);
}

void FolderRoots::save(const StoredRoots& loaded, const RootFiles& files, Done done) {
  done(write(loaded, files));
}

// By temporary file and rename: a reader never sees half a bundle.
Result<void> FolderRoots::write_bundle(const std::string& bundle) const {
  const std::string temporary = bundle_path_ + ".new";
  {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file << bundle << std::flush;
    if (!file) return fail(Reason::io_error, ErrorSource::kKernel, "writing " + temporary);
  }
  std::error_code error;
  fs::rename(temporary, bundle_path_, error);
  if (error) return fail_errno(Reason::io_error, error.value(), "renaming " + temporary);
  return {};
}

void FolderRoots::publish(const StoredRoots&, const std::string& bundle, Done done) {
  done(write_bundle(bundle));
}

}  // namespace keelson::ca
