"""A secret in every place where a request may carry one, for tests that look for it afterwards (T15)."""

from collections.abc import Iterator, Sequence

from stagedoor._requests import Headers

__all__ = ["CANARY", "Attempt", "attempts", "leaks"]

CANARY = "c4narY-s3cret"
_C = CANARY.encode()
Attempt = tuple[str, Headers, bytes]  # what stands behind the path, fields, a body

_PLAIN = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "baggage",
    "cache-control",
    "content-encoding",
    "content-language",
    "content-type",
    "cookie2",
    "expect",
    "forwarded",
    "from",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "max-forwards",
    "origin",
    "pragma",
    "prefer",
    "priority",
    "proxy-authorization",
    "range",
    "referer",
    "sec-fetch-site",
    "sec-websocket-key",
    "sentry-trace",
    "stagedoor-attempt",
    "stagedoor-deadline-ms",
    "te",
    "trailer",
    "upgrade",
    "user-agent",
    "via",
    "x-admin-key",
    "x-api-key",
    "x-b3-traceid",
    "x-csrf-token",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-http-method-override",
    "x-original-url",
    "x-real-ip",
    "x-request-start",
    "x-tenant",
    "x-token",
]
# Not well-formed: what is well-formed is the caller's to choose, and is logged.
_IDS: Sequence[tuple[bytes, bytes]] = (
    (b"x-request-id", _C + b" not an id"),
    (b"traceparent", b"00-" + _C + b"-01"),
    (b"tracestate", b"a=" + _C + b"\xff"),
)
_FORMS = (
    (b"application/json", b'{"name": "%s", "%s": [1], "number": "%s"}' % (_C, _C, _C)),
    (b"application/json", b'{"animal": {"kind": "%s"}}' % _C),
    (b"application/json", b'{"animal": {"kind": "cat", "lives": {"%s": "%s"}}}' % (_C, _C)),
    (b"application/json", b'["%s"]' % _C),
    (b"application/json", b'{"name": "%s' % _C),
    (b"application/x-www-form-urlencoded", b"name=%s&%s=1" % (_C, _C)),
    (
        b"multipart/form-data; boundary=" + _C,
        b'--%s\r\nContent-Disposition: form-data; name="image"; filename="%s"\r\n\r\n%s\r\n--%s--\r\n'
        % (_C, _C, _C, _C),
    ),
    (b"text/" + _C, _C),
)


def attempts(queries: Sequence[str] = ()) -> Iterator[Attempt]:
    """Return requests with the secret in one place each; `queries` are names of parameters that the route knows."""
    for name in _PLAIN:
        yield "", ((name.encode(), _C),), b""
    yield "", ((b"authorization", b"Bearer " + _C), (b"x-" + _C.lower(), _C)), b""
    yield "", ((b"authorization", b"Basic " + _C), (b"forwarded", b'for="%s"' % _C)), b""
    for field in _IDS:
        yield "", (field,), b""
    for crumb in (b"sid=" + _C, _C + b"=1", b"__Host-session=" + _C + b"; a=b", _C):
        yield "", ((b"cookie", crumb),), b""
    for name in (*queries, "token", "X-Amz-Signature", CANARY):
        yield f"?{name}={CANARY}", (), b""
        yield f"?{name}=1&{name}={CANARY}%0a%1b%5b31m", (), b""
    for kind, body in _FORMS:
        yield "", ((b"content-type", kind),), body


def leaks(text: bytes) -> bool:
    """Tell whether the secret stands in a text, in any case."""
    return _C.lower() in text.lower()
