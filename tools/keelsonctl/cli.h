// cli: keelsonctl without a process around it: arguments and streams in, exit code out, so that
// tests run it against a socket of theirs. Exit codes: 0 fine, 1 findings, 2 usage, 3 cannot reach.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace keelson::ctl {

class KernelProbe;
class Runner;

inline constexpr int kExitOk = 0;
inline constexpr int kExitFindings = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitCannotReach = 3;

struct Terminal {
  std::ostream& out;
  std::ostream& err;
  bool is_tty = false;                  // of `out`: observe follows by default
  bool no_color = false;                // NO_COLOR is set and not empty, or TERM=dumb
  std::string checks_root;              // "" for this machine; tests name a made-up one
  bool is_plugin = false;               // run as kubectl-keelson: the agents are those of a cluster
  const Runner* runner = nullptr;       // of kubectl; null: the real one
  const KernelProbe* kernel = nullptr;  // for check --pre; null: the real one
  int in = 0;                           // whose end is waited for by raw --until-eof
};

// `arguments`: without the program's name.
int run(const std::vector<std::string>& arguments, const Terminal& terminal);

}  // namespace keelson::ctl
