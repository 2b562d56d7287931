#include "support/kube_standin.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/fd.h"

namespace keelson::test {
namespace {

constexpr std::chrono::seconds kStartPatience{20};
constexpr long kCallTimeoutMs = 60000;  // a cluster of 100,000 pods is made in one call

size_t append(char* data, size_t size, size_t count, void* to) {
  static_cast<std::string*>(to)->append(data, size * count);
  return size * count;
}

std::string make_folder() {
  std::string form = (std::filesystem::temp_directory_path() / "keelson-standin-XXXXXX").string();
  if (::mkdtemp(form.data()) == nullptr)
    throw std::runtime_error("kube-standin: no folder " + form);
  return form;
}

std::string program() {
  const char* folder = std::getenv("KEELSON_BIN");
  if (folder == nullptr) throw std::runtime_error("kube-standin: KEELSON_BIN is not set");
  return std::string(folder) + "/kube-standin";
}

struct Call {
  std::string url, method, body, media, token, ca_file;
};

StandinAnswer perform(const Call& call) {
  StandinAnswer answer;
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(),
                                                                 curl_easy_cleanup);
  curl_slist* list = curl_slist_append(nullptr, ("Content-Type: " + call.media).c_str());
  if (!call.token.empty())
    list = curl_slist_append(list, ("Authorization: Bearer " + call.token).c_str());
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(list,
                                                                            curl_slist_free_all);
  curl_easy_setopt(curl.get(), CURLOPT_URL, call.url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, call.method.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  if (!call.body.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(call.body.size()));
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, call.body.c_str());
  }
  if (!call.ca_file.empty()) curl_easy_setopt(curl.get(), CURLOPT_CAINFO, call.ca_file.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, kCallTimeoutMs);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer.body);
  const CURLcode code = curl_easy_perform(curl.get());
  if (code != CURLE_OK)
    throw std::runtime_error("kube-standin: " + call.method + " " + call.url + ": " +
                             curl_easy_strerror(code));
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer.status);
  return answer;
}

// What the process wrote until its first newline, its end, or the deadline.
std::string first_line(int from) {
  std::string text;
  const auto deadline = std::chrono::steady_clock::now() + kStartPatience;
  while (text.find('\n') == std::string::npos && std::chrono::steady_clock::now() < deadline) {
    pollfd ready{from, POLLIN, 0};
    if (::poll(&ready, 1, 100) <= 0) continue;
    char buffer[4096];
    const ssize_t count = ::read(from, buffer, sizeof buffer);
    if (count <= 0) break;
    text.append(buffer, size_t(count));
  }
  return text;
}

}  // namespace

KubeStandin::KubeStandin(std::vector<std::string> arguments) : folder_(make_folder()) {
  try {
    start(std::move(arguments));
  } catch (...) {
    kill();
    std::filesystem::remove_all(folder_);
    throw;
  }
}

KubeStandin::~KubeStandin() {
  kill();
  std::error_code ignored;  // a destructor has nobody to tell
  std::filesystem::remove_all(folder_, ignored);
}

void KubeStandin::start(std::vector<std::string> arguments) {
  const std::string path = program();
  arguments.insert(arguments.begin(), {path, "serve", "--dir", folder_});
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("kube-standin: no pipe");
  const Fd ours(ends[0]);
  Fd theirs(ends[1]);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(126);  // it died before the line above
    ::dup2(theirs.get(), STDOUT_FILENO);
    ::dup2(theirs.get(), STDERR_FILENO);
    ::execv(path.c_str(), argv.data());
    ::_exit(127);
  }
  theirs = Fd();
  read_ready_line(ours.get());
}

void KubeStandin::read_ready_line(int from) {
  const std::string line = first_line(from);
  const auto ready = line.starts_with("ready ")
                         ? nlohmann::json::parse(line.substr(6), nullptr, false)
                         : nlohmann::json();
  if (!ready.is_object())
    throw std::runtime_error("kube-standin: " + program() + " did not start (is the target " +
                             "kube-standin built?): " + line);
  api_ = ready.value("api", "");
  control_ = ready.value("control", "");
  token_ = ready.value("token", "");
}

std::string KubeStandin::steer(const std::string& method, const std::string& path,
                               const std::string& body) const {
  const auto answer = perform({control_ + path, method, body, "application/json", "", ""});
  if (answer.status != 200)
    throw std::runtime_error("kube-standin: " + method + " " + path + ": " +
                             std::to_string(answer.status) + " " + answer.body);
  return answer.body;
}

void KubeStandin::generate(size_t nodes, size_t namespaces, size_t services, size_t pods) const {
  const nlohmann::json plan{
      {"nodes", nodes}, {"namespaces", namespaces}, {"services", services}, {"pods", pods}};
  steer("POST", "/standin/generate", plan.dump());
}

int KubeStandin::add_fault(const std::string& fault) const {
  return nlohmann::json::parse(steer("POST", "/standin/faults", fault)).at("id").get<int>();
}

void KubeStandin::refuse_for(std::chrono::milliseconds duration) const {
  steer("POST", "/standin/refuse", nlohmann::json{{"milliseconds", duration.count()}}.dump());
}

StandinAnswer KubeStandin::request(const std::string& method, const std::string& path,
                                   const std::string& body, const std::string& media) const {
  return perform({api_ + path, method, body, media, token_, ca_file()});
}

void KubeStandin::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void KubeStandin::restart(std::vector<std::string> arguments) {
  kill();
  arguments.insert(arguments.end(), {"--listen", api_.substr(api_.rfind('/') + 1)});
  start(std::move(arguments));
}

}  // namespace keelson::test
