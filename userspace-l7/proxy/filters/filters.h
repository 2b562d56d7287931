// The filters of a routing rule as functions on heads: header modifiers, redirect, URL rewrite.
// Pure, any thread. Whatever the configuration holds, the result stays a valid head: what cannot be
// in one is left out or percent-encoded, since compile and not the request's sender is to blame.
// Order, as the caller applies them: rule before backend; the rewrite after matching, of course.
#pragma once

#include <cstdint>

#include "config/routes.h"
#include "http/message.h"

namespace keelson::proxy {

// Set, add, remove, in this order. Adding to a field that exists gives one line "old,new", but for
// set-cookie, whose lines never merge (RFC 9110 section 5.3). In a request `host` means the
// authority: set or added it replaces it, removed it stays. Fields that concern framing or one hop
// (http/message.h) are passed over, and so is whatever is no valid field.
void modify_headers(const config::HeaderModifier& modifier, http::MessageHead& head);

// The answer of a redirect. `match`: what matched, for the prefix to replace. Port: the redirect's,
// else its scheme's own, else `service_port`; the scheme's own is never written. The query is kept.
// A request that names no host gets a relative Location unless the redirect names one.
http::MessageHead make_redirect(const config::Redirect& redirect, const config::RequestMatch& match,
                                const http::MessageHead& request, uint16_t service_port);

// Replaces authority and path as told, in the raw form of the request; the query is kept.
void rewrite(const config::Rewrite& rewrite, const config::RequestMatch& match,
             http::MessageHead& request);

}  // namespace keelson::proxy
