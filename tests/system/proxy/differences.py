"""In what the gateway means to differ from nginx, name by name. Whatever is not listed here must be the same.

Values only, with the reason beside each.
"""

from __future__ import annotations

# What an upstream sees through the gateway and not through nginx
ADDED_TO_REQUESTS = {
    "via",  # RFC 9110 7.6.3: a gateway must say that it was on the way
    "x-request-id",
    "traceparent",
    "forwarded",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-site-id",  # who called, from the verified credential
    "x-taskgate-identity",  # the same, signed for this service
    "x-user-id",
    "x-app-id",
}
# Both send it, each in its own words
RESTATED_IN_REQUESTS = {
    "host",  # nginx tells its upstream the upstream's name
    "x-forwarded-for",
    "content-length",  # framing is made anew; the body itself is compared
    "transfer-encoding",
    "connection",
}
# What a caller sees of the gateway and not of nginx
ADDED_TO_ANSWERS = {"via", "server-timing", "x-request-id", "gateway-error-source", "gateway-attempts"}
RESTATED_IN_ANSWERS = {
    "server",  # nginx writes its own name over the upstream's
    "date",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "ratelimit",
    "ratelimit-policy",
}
# Exchanges whose framing of the answer may differ: a body until close is chunked or not, as one likes
FRAMED_FREELY = {"answer-until-close", "answer-1-0", "answer-head-chunks", "answer-chunks-to-1-0"}
# Exchanges that the gateway refuses with 400: a GET with a body is how requests are smuggled (S12)
REFUSED = {"body-of-get"}
# Headers that one of them drops in an exchange, and why
DROPPED = {
    "answer-304-length": {"content-length"},  # RFC 9110 8.6 allows the length of what would have been sent
    "header-hops": {"x-hop", "keep-alive"},  # nginx passes on what Connection names, RFC 9110 7.6.1 forbids it
    "answer-hops": {"x-hop"},
    "header-signs": {"x-!#$%&'*+.^`|~"},  # a valid token that nginx calls an invalid header
}
