// Format: Kubernetes client-go, clientcmd/api/v1.
#include <algorithm>
#include <memory>

#include "base/base64.h"
#include "document/parse.h"
#include "kube/access.h"
#include "kube/token_file.h"

namespace keelson::kube {
namespace {

using document::Value;

class Kubeconfig {
 public:
  Kubeconfig(const std::string& path, const Clock& clock) : path_(path), clock_(clock) {}

  Result<rest::Server> read();

 private:
  Failure refuse(const std::string& what, const Value* where = nullptr) const {
    const std::string line = where == nullptr ? "" : ":" + std::to_string(where->line());
    return fail(Reason::credentials_unusable, ErrorSource::kConfig, path_ + line + ": " + what);
  }
  // {"name": NAME, FIELD: {...}} of a list of these.
  Result<const Value*> entry(const Value& root, const std::string& list, const std::string& field,
                             const std::string& name) const;
  Result<void> read_cluster(const Value& cluster, rest::Server& server) const;
  Result<void> read_user(const Value& user, rest::Server& server) const;
  Result<std::string> data_or_file(const Value& from, const std::string& field) const;
  std::string beside(const std::string& file) const {
    const size_t slash = path_.rfind('/');
    return file.starts_with('/') || slash == std::string::npos ? file
                                                               : path_.substr(0, slash + 1) + file;
  }

  const std::string path_;
  const Clock& clock_;
};

std::string text_of(const Value& from, std::string_view field) {
  const Value* value = from.find(field);
  return value == nullptr ? "" : value->text();
}

bool is_set(const Value* value) {
  return value != nullptr && !value->is_null() && (!value->is_string() || !value->text().empty());
}

Result<rest::Server> Kubeconfig::read() {
  KS_ASSIGN(const std::string text, read_credential(path_));
  auto documents = document::parse_yaml(text, path_);
  if (!documents) return refuse(documents.error().context);
  if (documents->size() != 1 || !documents->front().is_mapping())
    return refuse("not a kubeconfig: one mapping is expected");
  const Value& root = documents->front();
  const std::string context_name = text_of(root, "current-context");
  if (context_name.empty())
    return refuse("current-context is not set; kubectl config use-context NAME");
  KS_ASSIGN(const Value* context, entry(root, "contexts", "context", context_name));
  KS_ASSIGN(const Value* cluster, entry(root, "clusters", "cluster", text_of(*context, "cluster")));
  rest::Server server;
  KS_TRY(read_cluster(*cluster, server));
  if (text_of(*context, "user").empty()) return server;
  KS_ASSIGN(const Value* user, entry(root, "users", "user", text_of(*context, "user")));
  KS_TRY(read_user(*user, server));
  return server;
}

Result<const Value*> Kubeconfig::entry(const Value& root, const std::string& list,
                                       const std::string& field, const std::string& name) const {
  if (const Value* entries = root.find(list))
    for (const Value& each : entries->items())
      if (text_of(each, "name") == name)
        if (const Value* found = each.find(field); found != nullptr && found->is_mapping())
          return found;
  return refuse("no " + field + " named '" + name + "' in " + list);
}

Result<void> Kubeconfig::read_cluster(const Value& cluster, rest::Server& server) const {
  const Value* insecure = cluster.find("insecure-skip-tls-verify");
  if (insecure != nullptr && insecure->as_bool())
    return refuse(
        "insecure-skip-tls-verify is refused: anyone on the way could be the API server; "
        "set certificate-authority instead",
        insecure);
  if (const Value* proxy = cluster.find("proxy-url"); is_set(proxy))
    return refuse("proxy-url is not supported; name the API server's own address", proxy);
  server.url = text_of(cluster, "server");
  while (server.url.ends_with('/')) server.url.pop_back();
  if (!server.url.starts_with("https://") || server.url.size() < 9)
    return refuse("server '" + server.url + "' is not an https:// URL", cluster.find("server"));
  server.server_name = text_of(cluster, "tls-server-name");
  KS_ASSIGN(server.ca_pem, data_or_file(cluster, "certificate-authority"));
  return {};
}

Result<void> Kubeconfig::read_user(const Value& user, rest::Server& server) const {
  for (const char* field : {"exec", "auth-provider", "username", "password"})
    if (const Value* value = user.find(field); is_set(value))
      return refuse(std::string(field) +
                        " is not supported; use a token, a tokenFile or a client certificate",
                    value);
  KS_ASSIGN(server.client_certificate_pem, data_or_file(user, "client-certificate"));
  KS_ASSIGN(server.client_key_pem, data_or_file(user, "client-key"));
  if (server.client_certificate_pem.empty() != server.client_key_pem.empty())
    return refuse("client-certificate and client-key go together; one of them is missing", &user);
  // As client-go: the file wins, the token stands in until it can be read.
  const std::string token = text_of(user, "token");
  if (const std::string file_name = text_of(user, "tokenFile"); !file_name.empty()) {
    auto file = std::make_shared<TokenFile>(beside(file_name), clock_);
    if (auto first = file->token(); !first && token.empty())
      return Failure(std::move(first).error());
    server.token = [file, token]() -> Result<std::string> {
      auto read = file->token();
      if (!read && !token.empty()) return token;
      return read;
    };
  } else if (!token.empty()) {
    server.token = [token] { return Result<std::string>(token); };
  }
  return {};
}

Result<std::string> Kubeconfig::data_or_file(const Value& from, const std::string& field) const {
  if (const Value* data = from.find(field + "-data"); is_set(data)) {
    auto bytes = base64_decoded(data->text());
    if (!bytes || bytes->empty()) return refuse(field + "-data is not base64", data);
    return *bytes;
  }
  const std::string file = text_of(from, field);
  if (file.empty()) return std::string();
  return read_credential(beside(file));
}

}  // namespace

Result<rest::Server> kubeconfig_server(const std::string& path, const Clock& clock) {
  return Kubeconfig(path, clock).read();
}

}  // namespace keelson::kube
