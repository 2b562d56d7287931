// Runs an external program (ip, nft) to its end, optionally in a network namespace, and gives back
// what it printed; and enters a namespace for the length of a call. Blocking; the thread that calls
// is the thread that changes namespace. Does not supervise: long-lived children are in lab_process.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace keelson::lab {

struct Command {
  std::vector<std::string> argv = {};
  std::string input = {};  // fed to standard input
  std::string netns = {};  // path; empty: the caller's
  bool may_fail = false;   // an exit code other than 0 is no error
};

// Output is standard output and standard error together. Error: io_error with that output.
Result<std::string> run(const Command& command);

// Context and errno, for people; Error::message() also says the reason, which here is always
// io_error.
std::string describe(const Error& error);

Result<Fd> open_netns(const std::string& path);

// Runs `body` with the calling thread inside the namespace, and goes back, also after an exception.
Result<void> in_netns(const std::string& path, const std::function<Result<void>()>& body);

Result<void> write_file(const std::string& path, std::string_view text);
// A reader sees the old text or the new one: temporary file (in `scratch_dir`) and rename.
Result<void> replace_file(const std::string& path, std::string_view text,
                          const std::string& scratch_dir);
Result<std::string> read_text(const std::string& path);
Result<void> make_dirs(const std::string& path, unsigned mode = 0755);

}  // namespace keelson::lab
