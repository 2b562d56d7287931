// Paths of requests as routing sees them, for matching and for rewriting. Pure functions, any
// thread. The codec (http/h1/characters.h) lets no control, space, '#', '\', quote or non-ASCII
// byte through; what a server behind may still read in another way than we do is decided here:
// - Escapes of unreserved characters and the case of hexadecimal digits mean nothing (RFC 3986
//   section 6.2.2): `/%61dmin` is `/admin`. Other escapes stand for themselves: `%2F` is no slash.
// - Dot segments: a server resolves them, and would serve another path than the one that was
// judged.
//   Clients resolve them before they send, so such a path has no honest use and no rule takes it.
// - An empty segment is a segment (RFC 3986 section 3.3): `//admin` is not `/admin`, nor below it.
// What is forwarded is the path as it came; only a rewrite changes it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keelson::proxy {

// True when a segment is "." or "..", also escaped, followed by ";parameters", or behind an escaped
// slash or backslash. A twice escaped one is not: that server would be broken for everybody.
bool has_dot_segment(std::string_view path) noexcept;

// The normal form of `path`'s escapes, when it is another text; allocates only then.
std::optional<std::string> normal_escapes(std::string_view path);

// What is left of a raw path that the prefix matches: empty, or from the slash behind it. By
// elements, so that it holds for every spelling of the matched ones.
std::string_view behind_prefix(std::string_view path, std::string_view prefix) noexcept;

// The prefix without its trailing slash, which means nothing: "/" is "".
std::string_view without_trailing_slash(std::string_view prefix) noexcept;

}  // namespace keelson::proxy
