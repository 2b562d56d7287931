// PodsSide: everything the agent keeps about where pods of this node are: the sandboxes that CNI
// and the container runtime tell about, the gate that holds a pod's start up, the CNI configuration
// file and the plugin on the node. Only wiring, like App, which owns it. Agent loop only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "admin/readiness.h"
#include "cni/conflist_keeper.h"
#include "cni/gate.h"
#include "pod_standing.h"
#include "pods/sandboxes.h"
#include "serving/http_server.h"

namespace keelson {

struct PodsSideOptions {
  std::string socket_path;  // RUN_DIR/cni.sock
  // "off": pods are told by the objects alone; "auto": the first runtime that is there, else /proc;
  // "proc"; or the path of a runtime's socket.
  std::string runtime = "off";
  std::string cni_conf_dir;  // empty: no configuration file is kept
  std::string cni_bin_dir;   // empty: the plugin is on the node already
  std::string cni_plugin;    // what is installed there
  bool is_cni_off = false;   // what an earlier agent left of keelson-cni in both folders goes
  cni::PluginSettings plugin;
};

class PodsSide final : private cni::Enroller {
 public:
  struct Parts {
    pods::Sandboxes& sandboxes;
    const pods::Enrolment& enrolment;
    std::function<StandingView()> standing_view;
    std::function<void()> on_change;  // the sandboxes are others than before
  };
  PodsSide(io::EventLoop& loop, const Clock& clock, PodsSideOptions options, Parts parts);
  ~PodsSide() override;

  Result<void> start();
  // From now on the container runtime follows our configuration file: once it is known that this
  // agent shall serve. What cannot be done yet (problem()) is tried again by the next call.
  void chain();
  // This node leaves the mesh: pods start without the plugin. For good.
  void unchain();
  // After that, when nobody is called any more: the plugin and its socket go.
  Result<void> remove_conflist();
  Result<void> remove_plugin();
  // The last chain() failed: it wants to be called again.
  bool wants_chain() const noexcept { return !is_chained_ && install_error_.has_value(); }
  // Another agent has taken over: plugins that wait here ask that one.
  // The configuration file is that one's as well.
  void shut();
  // After a reconcile: pods that wait may go on.
  void settle();
  // A DEL may have been missed: asks the runtime what is left.
  void sweep();

  // False after a start until the runtime has told its sandboxes: pods of an earlier agent would
  // look as if they had none.
  bool is_listed() const noexcept { return is_listed_; }
  std::optional<Error> problem() const;  // of the listing, else of the plugin's installation
  // kTaskCniChained: pods that start are held up until they are enrolled.
  void mark_chained(admin::Readiness& readiness) const;
  uint64_t conflist_repairs() const noexcept { return keeper_ ? keeper_->repairs() : 0; }

 private:
  cni::Expected<void> attach(const cni::Attachment& attachment) override;
  void detach(const cni::Attachment& attachment) override;
  void keep_only(const std::set<std::string>& container_ids) override;
  cni::Standing standing(const cni::PodRef& pod) const override;
  bool is_out(const std::string& container_id) const override;
  cni::Expected<void> uninstall() override;

  Result<void> install();
  void make_source();
  void on_change();
  void on_listed(pods::Sandboxes::Moment began, Result<std::vector<pods::Sandbox>> listed);

  io::EventLoop& loop_;
  const PodsSideOptions options_;
  Parts parts_;
  std::unique_ptr<pods::NetnsSource> source_;
  bool is_listing_ = false;
  bool is_listed_ = false;
  bool is_applied_ = true;  // false: what `enrolment` holds is older than `sandboxes`
  bool is_chained_ = false;
  std::optional<Error> list_error_, install_error_;
  std::map<std::string, std::string> leaving_;  // sandbox that ended -> uid of its pod
  std::optional<cni::ConflistKeeper> keeper_;
  io::Timer list_again_;
  cni::Gate gate_;
  std::optional<serving::HttpServer> server_;
};

}  // namespace keelson
