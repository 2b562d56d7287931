#include "tls/key_material.h"

#include <cstdint>

namespace keelson::tls {
namespace {

// magic(4) version(4) not_before_s(8) not_after_s(8) id key chain_count(4) chain… trust_count(4)
// trust…; all numbers big-endian, every byte string preceded by its length in 4 bytes.
constexpr std::string_view kMagic = "KSKM";
constexpr uint64_t kVersion = 1;
constexpr uint64_t kCertificatesMax = 32;

Failure malformed(std::string what) {
  return fail(Reason::key_material_malformed, ErrorSource::kInternal, std::move(what));
}

void put_number(std::string& out, uint64_t value, size_t bytes) {
  for (size_t i = bytes; i-- > 0;) out.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
}

void put_bytes(std::string& out, std::string_view bytes) {
  put_number(out, bytes.size(), 4);
  out.append(bytes);
}

void put_list(std::string& out, const std::vector<std::string>& list) {
  put_number(out, list.size(), 4);
  for (const auto& item : list) put_bytes(out, item);
}

uint64_t seconds_of(WallTime time) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count());
}

class Reader {
 public:
  explicit Reader(std::string_view rest) : rest_(rest) {}

  Result<uint64_t> number(size_t bytes) {
    KS_ASSIGN(const std::string_view raw, take(bytes));
    uint64_t value = 0;
    for (const char c : raw) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  Result<std::string_view> bytes() {
    KS_ASSIGN(const uint64_t size, number(4));
    return take(size);
  }
  Result<std::vector<std::string>> list() {
    KS_ASSIGN(const uint64_t count, number(4));
    if (count == 0 || count > kCertificatesMax) return malformed("number of certificates");
    std::vector<std::string> items;
    for (uint64_t i = 0; i < count; ++i) {
      KS_ASSIGN(const std::string_view item, bytes());
      items.emplace_back(item);
    }
    return items;
  }
  Result<std::string_view> take(uint64_t bytes) {
    if (bytes > rest_.size()) return malformed("ends early");
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  bool is_empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

// A wall time that system_clock (nanoseconds in 64 bits) can hold.
Result<WallTime> read_time(Reader& reader) {
  constexpr uint64_t kLatest = 9'000'000'000;
  KS_ASSIGN(const uint64_t seconds, reader.number(8));
  if (seconds > kLatest) return malformed("time out of range");
  return WallTime(std::chrono::seconds(seconds));
}

size_t encoded_size(const KeyMaterial& material) {
  size_t size = 64 + material.id.to_string().size() + material.key.view().size();
  for (const auto& item : material.chain) size += 4 + item.size();
  for (const auto& item : material.trust) size += 4 + item.size();
  return size;
}

}  // namespace

KeyMaterial KeyMaterial::clone() const {
  return {id, key.clone(), chain, trust, not_before, not_after};
}

Result<SecretBytes> encode_key_material(const KeyMaterial& material) {
  if (material.key.empty() || material.chain.empty() || material.trust.empty())
    return malformed("a part is missing");
  if (material.chain.size() > kCertificatesMax || material.trust.size() > kCertificatesMax)
    return malformed("too many certificates");
  const size_t size = encoded_size(material);
  if (size > kKeyMaterialBytesMax) return malformed("larger than 64 KiB");
  std::string out;
  out.reserve(size);  // growing would leave copies of the key in freed memory
  out.append(kMagic);
  put_number(out, kVersion, 4);
  put_number(out, seconds_of(material.not_before), 8);
  put_number(out, seconds_of(material.not_after), 8);
  put_bytes(out, material.id.to_string());
  put_bytes(out, material.key.view());
  put_list(out, material.chain);
  put_list(out, material.trust);
  return SecretBytes(std::move(out));
}

Result<KeyMaterial> decode_key_material(std::string_view payload) {
  if (payload.size() > kKeyMaterialBytesMax) return malformed("larger than 64 KiB");
  Reader reader(payload);
  KS_ASSIGN(const std::string_view magic, reader.take(kMagic.size()));
  if (magic != kMagic) return malformed("wrong magic");
  KS_ASSIGN(const uint64_t version, reader.number(4));
  if (version != kVersion) return malformed("version " + std::to_string(version));
  KeyMaterial material;
  KS_ASSIGN(material.not_before, read_time(reader));
  KS_ASSIGN(material.not_after, read_time(reader));
  if (material.not_after <= material.not_before) return malformed("never valid");
  KS_ASSIGN(const std::string_view id, reader.bytes());
  KS_ASSIGN(material.id, SpiffeId::parse(id));
  KS_ASSIGN(const std::string_view key, reader.bytes());
  if (key.empty()) return malformed("no key");
  material.key = SecretBytes(std::string(key));
  KS_ASSIGN(material.chain, reader.list());
  KS_ASSIGN(material.trust, reader.list());
  if (!reader.is_empty()) return malformed("bytes left over");
  return material;
}

}  // namespace keelson::tls
