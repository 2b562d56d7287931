// command: keelson-load without a process around it: arguments and streams in, exit code out, so
// that tests run the whole of it in their own process. Exit codes: 0 it ran, 1 it could not run at
// all, 2 wrong usage.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace keelson::load {

// `arguments`: without the program's name. `stop`: a signalfd that ends the run, -1 for none.
int run(const std::vector<std::string>& arguments, int stop, std::ostream& out, std::ostream& err);

}  // namespace keelson::load
