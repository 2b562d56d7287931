// Messages: what keelson-cni asks the agent over RUN_DIR/cni.sock (POST /add, /check, /del, /gc,
// /uninstall with a JSON body) and what it is answered. Both ends include this file, so it links
// nothing but the standard library and the JSON header. Pure, any thread.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace keelson::cni {

// Well-known error codes of the CNI specification, section 5; 100 and above are ours.
enum ErrorCode : int {
  kIncompatibleVersion = 1,
  kInvalidEnvironment = 4,
  kIoFailure = 5,
  kUndecodable = 6,
  kInvalidConfig = 7,
  kTryAgainLater = 11,
  kPodRefused = 100,  // trying again does not help: the pod itself must change
};

struct CniError {
  int code = 0;
  std::string message;  // the pod and the step
  std::string details;  // the fix
  friend bool operator==(const CniError&, const CniError&) = default;
};

template <class T>
using Expected = tl::expected<T, CniError>;

struct PodRef {
  std::string ns, name, uid;
  std::string to_string() const { return ns + "/" + name; }
  friend bool operator==(const PodRef&, const PodRef&) = default;
};

// One network attachment of one sandbox, as the runtime names it.
struct Attachment {
  std::string container_id;  // CNI_CONTAINERID: the sandbox
  std::string netns;         // empty at a late DEL
  std::string ifname;
  PodRef pod;
  std::vector<std::string> addresses;  // of prevResult, without prefix length
  // ADD of an exempt pod does not wait: the agent only learns of the sandbox.
  bool waits = true;
  unsigned timeout_seconds = 20;
  friend bool operator==(const Attachment&, const Attachment&) = default;
};

std::string encode_attachment(const Attachment& attachment);
// Error: kUndecodable.
Expected<Attachment> decode_attachment(std::string_view json);

// GC: the sandboxes that the runtime still has.
std::string encode_valid_containers(const std::vector<std::string>& container_ids);
Expected<std::vector<std::string>> decode_valid_containers(std::string_view json);

// Code 0: done.
std::string encode_answer(const CniError& answer);
Expected<CniError> decode_answer(std::string_view json);

}  // namespace keelson::cni
