#include "cni/messages.h"

#include <nlohmann/json.hpp>

namespace keelson::cni {
namespace {

using nlohmann::json;

// nlohmann throws on a wrong type; nothing of it leaves this file.
template <class Read>
auto decode(std::string_view text, Read read) -> Expected<decltype(read(json()))> {
  try {
    return read(json::parse(text));
  } catch (const json::exception& error) {
    return tl::unexpected(CniError{
        kUndecodable, "a message between keelson-cni and keelson-agent",
        std::string(error.what()) + "; are both of the same version? (keelson-cni --version)"});
  }
}

// A pod name may hold only ASCII, but what a runtime passes is not ours to trust.
std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string encode_attachment(const Attachment& attachment) {
  return dump({{"containerID", attachment.container_id},
               {"netns", attachment.netns},
               {"ifname", attachment.ifname},
               {"namespace", attachment.pod.ns},
               {"pod", attachment.pod.name},
               {"uid", attachment.pod.uid},
               {"addresses", attachment.addresses},
               {"waits", attachment.waits},
               {"timeoutSeconds", attachment.timeout_seconds}});
}

Expected<Attachment> decode_attachment(std::string_view text) {
  return decode(text, [](const json& value) {
    Attachment attachment;
    value.at("containerID").get_to(attachment.container_id);
    value.at("netns").get_to(attachment.netns);
    value.at("ifname").get_to(attachment.ifname);
    value.at("namespace").get_to(attachment.pod.ns);
    value.at("pod").get_to(attachment.pod.name);
    value.at("uid").get_to(attachment.pod.uid);
    value.at("addresses").get_to(attachment.addresses);
    value.at("waits").get_to(attachment.waits);
    value.at("timeoutSeconds").get_to(attachment.timeout_seconds);
    return attachment;
  });
}

std::string encode_valid_containers(const std::vector<std::string>& container_ids) {
  return dump({{"containerIDs", container_ids}});
}

Expected<std::vector<std::string>> decode_valid_containers(std::string_view text) {
  return decode(text, [](const json& value) {
    return value.at("containerIDs").get<std::vector<std::string>>();
  });
}

std::string encode_answer(const CniError& answer) {
  return dump({{"code", answer.code}, {"msg", answer.message}, {"details", answer.details}});
}

Expected<CniError> decode_answer(std::string_view text) {
  return decode(text, [](const json& value) {
    return CniError{value.at("code").get<int>(), value.at("msg").get<std::string>(),
                    value.at("details").get<std::string>()};
  });
}

}  // namespace keelson::cni
