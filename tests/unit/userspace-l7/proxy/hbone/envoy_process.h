// EnvoyProcess: a foreign HBONE peer from a package: one Envoy with a configuration of the test's,
// on loopback only; killed and its folder removed at the end, also when the test dies. Blocking.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace keelson::test {

// Where tools/setup puts it, or $KEELSON_ENVOY; empty: not installed.
std::string envoy_binary();
// Free now; loopback.
uint16_t unused_port();

// A temporary folder, removed with everything in it.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::string write(const std::string& name, const std::string& text) const;  // returns the path
  std::string read(const std::string& name) const;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class EnvoyProcess {
 public:
  EnvoyProcess(const ScratchFolder& folder, const std::string& config_yaml);
  ~EnvoyProcess();
  EnvoyProcess(const EnvoyProcess&) = delete;
  EnvoyProcess& operator=(const EnvoyProcess&) = delete;
  // Listens on this port, or the patience ended.
  bool wait_listening(uint16_t port) const;

 private:
  pid_t pid_ = -1;
};

}  // namespace keelson::test
