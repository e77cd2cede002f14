"""The one table error -> status and problem body (RFC 9457). The door and the web layer both answer from it.

A problem says what the client needs and nothing else: fixed titles, details written for strangers, never the
text of an exception (T21). The `type` of a problem is `urn:problem-type:<namespace>:<kind>`.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson
from pydantic_core import to_jsonable_python

from stagedoor._requests import Headers
from stagedoor.errors import (
    CircuitOpen,
    Overloaded,
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)

__all__ = [
    "ProblemDetails",
    "bad_request",
    "beyond_window",
    "cause_of",
    "conflict",
    "docs_only",
    "fields_of",
    "forbidden",
    "headers_too_large",
    "internal",
    "loop_detected",
    "method_not_allowed",
    "misdirected",
    "not_found",
    "overloaded",
    "precondition_failed",
    "problem_of",
    "range_not_satisfiable",
    "rate_limited",
    "render",
    "request_timeout",
    "sessions_unavailable",
    "too_large",
    "unauthorized",
    "unsupported_coding",
    "unsupported_media",
    "upstream_garbled",
    "upstream_timeout",
    "upstream_unavailable",
    "uri_too_long",
    "usual",
    "validation",
]

_ALWAYS_RETRY_AFTER: Final = frozenset({429, 503})
_PLAIN_ONLY: Final = (
    orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
)  # as answers are written


@dataclass(frozen=True, slots=True)
class ProblemDetails:
    """One refusal or failure, as the client will read it.

    `kind` is the suffix of the type URI and decides `title`. `retry_after` is in seconds; `errors` are the
    rows of a 422 (`loc`, `msg`, `type`); `fields` are header fields that belong to the status, like `Allow`. `type`
    replaces the URI that the kind makes; `members` are further members of the body (RFC 9457 3.2).
    """

    status: int
    kind: str
    title: str
    detail: str
    retry_after: float | None = None
    errors: tuple[Mapping[str, Any], ...] = ()
    fields: Headers = ()
    type: str = ""
    members: Mapping[str, Any] = field(default_factory=dict)


def cause_of(problem: ProblemDetails, error: BaseException | None, waits_for: Mapping[str, str]) -> str:
    """Return why an answer is a 5xx, for those who run it: the service and what is wrong, else the problem's kind.

    `waits_for` names the service behind what is an upstream of the gateway's own, such as pages that are kept.
    """
    if isinstance(error, UpstreamError):
        name = error.operation.partition(".")[0]
        return f"{waits_for.get(name, name)}: {error.reason}"
    return problem.kind


def render(problem: ProblemDetails, *, instance: str, request_id: str, namespace: str) -> bytes:
    """Return the JSON body; `instance` is the path as it was asked for."""
    document: dict[str, Any] = {
        **problem.members,
        "type": problem.type or f"urn:problem-type:{namespace}:{problem.kind}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": instance,
        "request_id": request_id,
    }
    if problem.errors:
        document["errors"] = problem.errors
    try:
        return orjson.dumps(document, option=_PLAIN_ONLY)
    except TypeError:  # a lone surrogate, which UTF-8 cannot carry, or a member that is no plain JSON
        plain = to_jsonable_python(document, by_alias=True, inf_nan_mode="null", fallback=str)
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def fields_of(problem: ProblemDetails) -> Headers:
    """Return the header fields of the answer; length, date and request id are added by whoever writes it."""
    fields = (
        (b"content-type", b"application/problem+json"),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *problem.fields,
    )
    wait = problem.retry_after
    if wait is None:
        if problem.status not in _ALWAYS_RETRY_AFTER:
            return fields
        wait = 1.0
    return (*fields, (b"retry-after", b"%d" % _whole_seconds(wait)))


def _whole_seconds(wait: float) -> int:
    # RFC 9110 10.2.3 knows whole seconds; rounding down would send the client back too early.
    # In this order NaN gives 1.
    return math.ceil(max(1.0, min(wait, 86_400.0)))


def problem_of(error: BaseException) -> ProblemDetails:
    """Return what a client is told about an error that left a handler.

    A 4xx that a route expects of its upstream is mapped by that route; one that arrives here is a surprise.
    """
    match error:
        case UpstreamTimeout():
            return upstream_timeout(error.retry_after)
        case Overloaded():
            return overloaded(error.retry_after)
        case CircuitOpen() | UpstreamUnavailable():
            return upstream_unavailable(error.retry_after)
        case UpstreamGarbled() | UpstreamRejected():
            return upstream_garbled()
        case UpstreamError():
            return upstream_unavailable(error.retry_after)
        case _:
            return internal()


def bad_request(detail: str = "the request is not valid HTTP") -> ProblemDetails:
    """400: broken syntax, in HTTP or in JSON."""
    return ProblemDetails(400, "bad-request", "Bad request", detail)


def beyond_window(detail: str = "results beyond the 10,000th are not served") -> ProblemDetails:
    """400: a page that no list serves."""
    return ProblemDetails(400, "beyond-window", "Beyond the result window", detail)


def unauthorized(
    detail: str = "valid credentials are needed", challenge: bytes = b"Bearer"
) -> ProblemDetails:
    """401, with the challenge that RFC 9110 11.6.1 demands."""
    return ProblemDetails(
        401, "unauthorized", "Unauthorized", detail, fields=((b"www-authenticate", challenge),)
    )


def forbidden(detail: str = "this is not allowed", challenge: bytes = b"") -> ProblemDetails:
    """403: known, and not allowed; the challenge says what would be enough (RFC 6750 3.1)."""
    fields = ((b"www-authenticate", challenge),) if challenge else ()
    return ProblemDetails(403, "forbidden", "Forbidden", detail, fields=fields)


def not_found(detail: str = "there is nothing here") -> ProblemDetails:
    """404: an unknown path, or an unknown id."""
    return ProblemDetails(404, "not-found", "Not found", detail)


def method_not_allowed(allow: str) -> ProblemDetails:
    """405; `allow` lists what the resource does allow, as in "GET, HEAD"."""
    detail = f"allowed here: {allow}" if allow else "no method is allowed here"
    fields = ((b"allow", allow.encode("ascii")),)
    return ProblemDetails(405, "method-not-allowed", "Method not allowed", detail, fields=fields)


def request_timeout(detail: str = "the request did not arrive in time") -> ProblemDetails:
    """408: head or body came too slowly."""
    return ProblemDetails(408, "request-timeout", "Request timeout", detail)


def conflict(detail: str = "an equal request is still under way") -> ProblemDetails:
    """409: the state of things does not permit it now."""
    return ProblemDetails(409, "conflict", "Conflict", detail)


def precondition_failed(detail: str = "it is in another state than the request says") -> ProblemDetails:
    """412: a condition of the request, such as `If-Match`, does not hold (RFC 9110 15.5.13)."""
    return ProblemDetails(412, "precondition-failed", "Precondition failed", detail)


def too_large(detail: str = "the body is larger than allowed") -> ProblemDetails:
    """413: the body passed its limit."""
    return ProblemDetails(413, "too-large", "Content too large", detail)


def uri_too_long(most: int = 32_768) -> ProblemDetails:
    """414: the request line passed its limit, in bytes."""
    return ProblemDetails(
        414, "uri-too-long", "URI too long", f"the request line is longer than {most:,} bytes"
    )


def unsupported_media(detail: str = "this kind of body is not accepted here") -> ProblemDetails:
    """415: a body of another kind than the route takes."""
    return ProblemDetails(415, "unsupported-media", "Unsupported media type", detail)


def unsupported_coding() -> ProblemDetails:
    """415: a body in a coding, where bodies are read as they are; the field says which is taken (RFC 9110 12.5.3)."""
    problem = unsupported_media("the body is read as it is here: send it without Content-Encoding")
    return replace(problem, fields=((b"accept-encoding", b"identity"),))


def range_not_satisfiable(size: int | None = None) -> ProblemDetails:
    """416; `size` is the complete length in octets, where it is known."""
    detail = "there are fewer octets" if size is None else f"there are {size} octets"
    fields = () if size is None else ((b"content-range", b"bytes */%d" % size),)
    return ProblemDetails(416, "range-not-satisfiable", "Range not satisfiable", detail, fields=fields)


def misdirected(detail: str = "this host is not served here") -> ProblemDetails:
    """421: a foreign Host."""
    return ProblemDetails(421, "misdirected", "Misdirected request", detail)


def validation(*errors: Mapping[str, Any]) -> ProblemDetails:
    """422: well-formed and wrong; each error has `loc`, `msg` and `type`."""
    detail = "; ".join(_sentence(error) for error in errors[:3]) or "the request is not what this route takes"
    return ProblemDetails(422, "validation", "Validation failed", detail, errors=errors)


def _sentence(error: Mapping[str, Any]) -> str:
    where = ".".join(str(step) for step in error.get("loc", ()))
    return f"{where}: {error.get('msg', 'is not valid')}"


def rate_limited(retry_after: float, fields: Headers = ()) -> ProblemDetails:
    """429; `fields` are the RateLimit fields of the policy that said no."""
    detail = "too many requests from this client"
    return ProblemDetails(429, "rate-limited", "Rate limited", detail, retry_after=retry_after, fields=fields)


def headers_too_large(detail: str = "the header fields are larger or more than allowed") -> ProblemDetails:
    """431: header bytes or the number of fields passed their limit."""
    return ProblemDetails(431, "headers-too-large", "Header fields too large", detail)


def internal() -> ProblemDetails:
    """500: our own bug, and never an upstream's fault."""
    return ProblemDetails(500, "internal", "Internal error", "something went wrong on our side")


def upstream_garbled(
    detail: str = "a service behind this gateway made no sense",
) -> ProblemDetails:
    """502: an answer arrived that cannot be used."""
    return ProblemDetails(502, "upstream-garbled", "Upstream garbled", detail)


def upstream_unavailable(retry_after: float | None = None) -> ProblemDetails:
    """503: a service could not be reached, failed, or is known to be failing."""
    detail = "a service behind this gateway is unavailable"
    return ProblemDetails(
        503, "upstream-unavailable", "Upstream unavailable", detail, retry_after=retry_after
    )


def sessions_unavailable(detail: str = "sessions cannot be looked up just now") -> ProblemDetails:
    """503: nobody can tell who has logged in; a session that was there is there still."""
    return ProblemDetails(503, "sessions-unavailable", "Sessions unavailable", detail)


def overloaded(retry_after: float | None = None) -> ProblemDetails:
    """503: shed, so that others are served."""
    return ProblemDetails(
        503, "overloaded", "Overloaded", "too much is going on here", retry_after=retry_after
    )


def docs_only() -> ProblemDetails:
    """503: only the documentation is served."""
    return ProblemDetails(
        503, "docs-only", "Documentation only", "this gateway serves its documentation only"
    )


def upstream_timeout(retry_after: float | None = None) -> ProblemDetails:
    """504: no complete answer in time."""
    detail = "a service behind this gateway gave no answer in time"
    return ProblemDetails(504, "upstream-timeout", "Upstream timeout", detail, retry_after=retry_after)


def loop_detected() -> ProblemDetails:
    """508: the request has passed here before (H3)."""
    return ProblemDetails(508, "loop-detected", "Loop detected", "this request has passed here before")


_USUAL: Final = {
    problem.status: problem
    for problem in (
        bad_request(),
        unauthorized(),
        forbidden(),
        not_found(),
        request_timeout(),
        conflict(),
        precondition_failed(),
        too_large(),
        uri_too_long(),
        unsupported_media(),
        range_not_satisfiable(),
        misdirected(),
        validation(),
        rate_limited(1.0),
        headers_too_large(),
        internal(),
        upstream_garbled(),
        upstream_unavailable(),
        upstream_timeout(),
        loop_detected(),
    )
}


def usual(status: int) -> ProblemDetails | None:
    """Return what is said with a status where nothing better is known; None for a status that is said nowhere."""
    return _USUAL.get(status)
