#include "model/refused_routes.h"

#include <utility>

namespace keelson::model {
namespace {

RefusedVersion refused_version(const DecodedFile& file, const DecodedObject& object) {
  RefusedVersion version{object.key, object.generation, {}};
  const std::string name = object.key.to_string();
  for (const Finding& finding : file.findings)
    if (finding.severity == Severity::kError && finding.object == name)
      version.findings.push_back(finding);
  return version;
}

}  // namespace

void RefusedRoutes::note(const DecodedFile& file) {
  std::vector<RefusedVersion> versions;
  for (const DecodedObject& object : file.objects)
    if (object.key.kind == Kind::kHttpRoute && !object.object)
      versions.push_back(refused_version(file, object));
  if (versions.empty())
    by_file_.erase(file.file);
  else
    by_file_[file.file] = std::move(versions);
}

std::vector<RefusedVersion> RefusedRoutes::all() const {
  std::vector<RefusedVersion> all;
  for (const auto& [file, versions] : by_file_)
    all.insert(all.end(), versions.begin(), versions.end());
  return all;
}

}  // namespace keelson::model
