// Runs code inside a network namespace on a thread of its own: sockets made there stay in that
// namespace, and the test's thread never leaves its own. Any thread may call.
#pragma once

#include <functional>
#include <string>

namespace keelson::test {

// Waits for `body` to return. Aborts the test program when the namespace cannot be entered: going
// on in the machine's own namespace would test the wrong thing.
void in_namespace(const std::string& netns_path, const std::function<void()>& body);

// For the body of a std::thread.
void enter_namespace(const std::string& netns_path);

}  // namespace keelson::test
