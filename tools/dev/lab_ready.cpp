#include "lab_ready.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <thread>

#include "keelsonctl/admin_client.h"

namespace keelson::lab {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kSilence = 2s;

// What keeps the node's agent from being ready; empty: it is.
std::string missing(const Layout& layout, const std::string& node) {
  const auto reply = ctl::AdminClient(layout.agent_socket(node), 1s).get("/readyz");
  if (!reply) return "does not answer yet";
  if (reply->status == 200) return {};
  std::string text = reply->body;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ';');
  return text;
}

}  // namespace

Result<void> wait_ready(const Layout& layout, std::chrono::milliseconds patience) {
  if (layout.is_without(Component::kHold) || layout.is_without(Component::kAgent)) return {};
  const auto start = steady_clock::now();
  bool has_told = false;
  for (;;) {
    std::vector<std::string> waiting;
    for (const std::string& node : layout.nodes)
      if (const std::string why = missing(layout, node); !why.empty())
        waiting.push_back(fmt::format("agent of {}: {}", node, why));
    if (waiting.empty()) return {};
    const auto waited = steady_clock::now() - start;
    if (waited >= patience)
      return fail(Reason::cannot_reach, ErrorSource::kConfig,
                  fmt::format("the lab is up, but not ready after {} s: {} (`lab logs NODE`)",
                              std::chrono::duration_cast<std::chrono::seconds>(patience).count(),
                              fmt::join(waiting, "; ")));
    if (waited >= kSilence && !has_told) {
      fmt::print(stderr, "lab: waiting for {}\n", fmt::join(waiting, "; "));
      has_told = true;
    }
    std::this_thread::sleep_for(50ms);
  }
}

}  // namespace keelson::lab
