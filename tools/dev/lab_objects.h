// ObjectBook: plays API server, scheduler and controllers. People write Namespaces, Pods, Services
// and ServiceAccounts; the book assigns uid, node, addresses and the netns annotation, derives
// EndpointSlices, Nodes and default ServiceAccounts, and gives the files that agents read. Every
// other kind (policies, routes), and what cannot be parsed, passes through at its own file name and
// lines. Pure but for random uids; supervisor thread. Does not start or write anything itself.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lab_layout.h"
#include "lab_network.h"

namespace keelson::lab {

struct SourceFile {
  std::string name;  // file name without folders
  std::string text;
};

struct PodProgram {
  std::string container;
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;
  std::string working_dir;
};

struct LabPod {
  std::string ns, name, uid, node;
  int slot = 0;
  bool ready = false;
  int readiness_port = 0;  // of a tcpSocket or httpGet readinessProbe; 0: ready once started
  std::vector<PodProgram> programs;
};

class ObjectBook {
 public:
  explicit ObjectBook(const Layout& layout);
  ~ObjectBook();
  ObjectBook(const ObjectBook&) = delete;
  ObjectBook& operator=(const ObjectBook&) = delete;

  // Like kubectl apply: all or nothing; answers one line per object, as kubectl does.
  Result<std::string> apply(const std::vector<SourceFile>& files);
  // kind as in the manifest, name "NAME" or "NAMESPACE/NAME". Error: not_found.
  Result<std::string> remove(std::string_view kind, std::string_view name);
  // A file that reaches the agents byte by byte, past every check.
  void put_raw(const SourceFile& file);
  bool drop_raw(const std::string& name);

  void set_ready(std::string_view pod, bool is_ready);

  const std::map<std::string, LabPod>& pods() const noexcept;  // by pod name
  std::map<std::string, std::string> files() const;            // of the objects folder
  std::vector<VirtualService> virtual_services() const;
  std::map<std::string, std::string> hosts() const;  // Kubernetes namespace -> /etc/hosts

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keelson::lab
