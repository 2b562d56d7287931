// Command: the verbs, each asking one agent through its link and printing what it says. Returns
// exit codes (cli.h). Which agent that is, and for how many of them: cli.cpp.
#pragma once

#include <string>
#include <string_view>

#include "keelsonctl/agent_link.h"
#include "keelsonctl/cli.h"
#include "keelsonctl/options.h"
#include "keelsonctl/render.h"

namespace keelson::ctl {

// "error: cause (reason)", then the next command. Returns `exit_code`.
int report(const Terminal& terminal, Reason code, const std::string& message,
           const std::string& next, int exit_code);

class Command {
 public:
  // All outlive it.
  Command(const Options& options, const AgentLink& link, const Terminal& terminal)
      : options_(options),
        link_(link),
        terminal_(terminal),
        style_{terminal.is_tty && !terminal.no_color} {}

  using Render = Result<Rendered> (*)(std::string_view, const Style&);
  int show(std::string_view path, const Query& query, Render render);
  int check();
  int ready();
  int uninstall();
  int why();
  int observe();
  int version();
  int raw();

 private:
  int report(Reason code, const std::string& message, const std::string& next, int exit_code) {
    return ctl::report(terminal_, code, message, next, exit_code);
  }
  int report_unreachable(const Error& error);
  int report_problem(const Reply& reply);
  int print(std::string_view json, Render render);

  const Options& options_;
  const AgentLink& link_;
  const Terminal& terminal_;
  Style style_;
};

}  // namespace keelson::ctl
