"""Judge a request's head: values in, a problem or nothing out.

The parser (llhttp, strict) has already refused what breaks framing: Content-Length beside Transfer-Encoding, repeated
or crooked lengths, codings after `chunked`, space before a colon, folded lines, bare CR or LF, control characters.
What it lets through and the RFCs do not is refused here (A4, H7, T3, T8, T22), before any application code runs:

- versions other than 1.0 and 1.1; other protocols that the parser also speaks; blanks around the target;
- targets with characters that RFC 3986 does not know, broken escapes in the path, fragments, user info, a foreign
  scheme; in the query, browsers' unescaped `[]{}|^` and backtick, backslash and bare `%` are tolerated (WHATWG URL),
  since no path or route depends on them;
- missing, repeated or crooked Host, an absolute target that names another host;
- field names with an underscore, which gateways behind may read as their hyphenated twin;
- any transfer coding but one `chunked`, and any at all in HTTP/1.0.

Encoded slashes, backslashes, NUL, dot segments and octets that are no UTF-8 are left alone: the application routes on
`raw_path`, where they are part of one segment, and answers 404 or 422. In the decoded `path` an encoded slash stays
encoded, and what is no UTF-8, overlong forms included, becomes U+FFFD, so that an application that routes on that one
cannot be led elsewhere either (T8).
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from stagedoor import problems
from stagedoor.door.limits import DoorLimits
from stagedoor.problems import Problem

__all__ = ["Target", "instance_of", "judge", "split_target", "unreadable"]

Fields = Sequence[tuple[bytes, bytes]]

_PCHAR: Final = rb"A-Za-z0-9\-._~!$&'()*+,;=:@/"
_ORIGIN: Final = re.compile(rb"/(?:[%b]|%%[0-9A-Fa-f]{2})*+(?:\?[%b?%%\[\]{}|^`\\]*+)?" % (_PCHAR, _PCHAR))
_ABSOLUTE: Final = re.compile(rb"(?i:https?)://([^/?#@]*+)(.*)", re.DOTALL)
_HOST: Final = re.compile(
    rb"(\[[0-9A-Fa-f:.]{2,45}\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2}){1,255})(?::([0-9]{0,5}))?"
)
_SLASH: Final = re.compile("%2[fF]")
_BEFORE_PATH: Final = re.compile(rb"[^/?#]*+(?://[^/?#]*+)?")
_LINE: Final = re.compile(rb"[A-Za-z-]{1,32} /[!-~]* HTTP/1\.[01]\r\n")
_KNOWN: Final = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


class Target(NamedTuple):
    """A request target taken apart: the path as sent and decoded, the query, and the authority of absolute form."""

    raw_path: bytes
    path: str
    query: bytes
    authority: bytes | None


def judge(
    method: bytes, version: str, target: Target | None, fields: Fields, limits: DoorLimits
) -> Problem | None:
    """Return why a head is refused, or None. Field names are in lower case."""
    if version not in {"1.1", "1.0"}:
        return problems.bad_request("only HTTP/1.0 and HTTP/1.1 are spoken here")
    if method == b"CONNECT":
        return problems.method_not_allowed(_KNOWN)
    if target is None:
        return problems.bad_request("the request target is not valid")
    if target.raw_path == b"*" and method != b"OPTIONS":
        return problems.bad_request("the target * belongs to OPTIONS")
    return _judge_fields(version, target, fields, limits)


def _judge_fields(version: str, target: Target, fields: Fields, limits: DoorLimits) -> Problem | None:
    host: bytes | None = None
    for name, value in fields:
        if name == b"host":
            if host is not None:
                return problems.bad_request("Host is given twice")
            host = value
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked" or version == "1.0":
                return problems.bad_request("this transfer coding is not spoken here")
        elif b"_" in name:
            return problems.bad_request("field names with an underscore are not accepted")
    return _judge_host(version, target, host, limits)


def _judge_host(version: str, target: Target, host: bytes | None, limits: DoorLimits) -> Problem | None:
    if host is None and version != "1.0":
        return problems.bad_request("Host is missing")
    if host is None:
        host = target.authority  # HTTP/1.0 may name the host in the target alone
    if host is None:
        return None
    named = _named(host)
    if named is None:
        return problems.bad_request("Host is not valid")
    if target.authority is not None and _normal(target.authority) != _normal(host):
        return problems.bad_request("the target names another host than Host")
    if limits.hosts and named[1].decode("ascii").lower() not in limits.hosts:
        return problems.misdirected()
    return None


def _named(authority: bytes) -> re.Match[bytes] | None:
    """Return host and port of an authority, or None if it is not one."""
    named = _HOST.fullmatch(authority)
    return None if named is None or (named[2] and int(named[2]) > 65_535) else named


def _normal(authority: bytes) -> bytes:
    authority = authority.lower()
    return authority.removesuffix(b":80").removesuffix(b":")


def split_target(target: bytes) -> Target | None:
    """Take a target apart (RFC 9112 3.2), or return None if it is not one."""
    authority = None
    if target == b"*":
        return Target(target, "*", b"", None)
    if not target.startswith(b"/"):
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None:
            return None
        authority, target = absolute[1], absolute[2]
        if _named(authority) is None:  # RFC 9110 4.2.1: a host that is empty is invalid
            return None
        if not target.startswith(b"/"):
            target = b"/" + target
    if _ORIGIN.fullmatch(target) is None:
        return None
    raw_path, _, query = target.partition(b"?")
    return Target(raw_path, _decoded(raw_path), query, authority)


def _decoded(raw_path: bytes) -> str:
    """Return the path as text, encoded slashes left as they are."""
    text = raw_path.decode("ascii")
    if "%" not in text:
        return text
    return "%2F".join(unquote_to_bytes(piece).decode("utf-8", "replace") for piece in _SLASH.split(text))


def instance_of(target: bytes) -> str:
    """Return the path of a target that may be of any form: no scheme, host or user information is ever repeated."""
    if not target.startswith((b"/", b"*")):
        target = target[_BEFORE_PATH.match(target).end() :]  # type: ignore[union-attr] # it matches anything
    return target.partition(b"?")[0].decode("ascii", "replace") or "/"


def unreadable(start: bytes, unknown_method: bool) -> Problem:
    """Return the problem for a head that the parser gave up on; `start` is what has arrived of it.

    RFC 9110 9.1: a method may be unknown without the request being malformed.
    """
    if unknown_method and _LINE.match(start):
        return problems.method_not_allowed(_KNOWN)
    return problems.bad_request()
