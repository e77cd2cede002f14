"""Judge a request's head: values in, a problem or nothing out.

The grammar of lines is held by `lines` and `head`, what frames a body by `framing` and `chunks`. What they let through
and the RFCs do not is refused here (A4, T3, T8, T22), before any application code runs:

- versions other than 1.0 and 1.1, methods that are not registered, and `CONNECT` (405);
- targets with characters that RFC 3986 does not know, broken escapes in the path, fragments, user info, a foreign
  scheme; in the query, browsers' unescaped `[]{}|^` and backtick, backslash and bare `%` are tolerated (WHATWG URL),
  since no path or route depends on them;
- missing, repeated, empty or crooked Host, an absolute target that names another host.

Encoded slashes, backslashes, NUL, dot segments and octets that are no UTF-8 are left alone: the application routes on
`raw_path`, where they are part of one segment, and answers 404 or 422. In the decoded `path` an encoded slash stays
encoded, and what is no UTF-8, overlong forms included, becomes U+FFFD, so that an application that routes on that one
cannot be led elsewhere either (T8).
"""

import re
from binascii import unhexlify
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from stagedoor import _problems as problems
from stagedoor._door.limits import DoorLimits
from stagedoor._problems import ProblemDetails
from stagedoor._value import value

__all__ = ["Target", "instance_of", "judge", "split_target"]

Fields = Sequence[tuple[bytes, bytes]]

_PCHAR: Final = rb"A-Za-z0-9\-._~!$&'()*+,;=:@/"
# No group with a choice in it is repeated possessively: see `chunks`.
_ORIGIN: Final = re.compile(rb"/(?:[%b]++|%%[0-9A-Fa-f]{2})*(?:\?[%b?%%\[\]{}|^`\\]*+)?" % (_PCHAR, _PCHAR))
# Behind the authority a path or a query begins, or all ends: an `@` there makes user information of it.
_ABSOLUTE: Final = re.compile(rb"(?i:https?)://([^/?#@]*+)((?:[/?].*)?)", re.DOTALL)
_NAME: Final = rb"A-Za-z0-9\-._~!$&'()*+,;="
_HOST: Final = re.compile(
    rb"(\[([0-9A-Fa-f:.]{2,45})\]|\[[vV][0-9A-Fa-f]{1,8}\.[:%b]{1,255}\]|(?:[%b]|%%[0-9A-Fa-f]{2}){1,255})"
    rb"(?::(0*+[0-9]{0,5}))?" % (_NAME, _NAME)
)
_LONGEST_HOST: Final = 800  # 255 escapes, and a port
_HOSTS: Final = 256  # nearly all requests name one of few
_PERCENT: Final = ord("%")  # as a number: given bytes, `in` makes a TypeError first, and drops it
_SLASH: Final = b"%25%32%46"  # what an encoded slash is made of, encoded once more
_ESCAPES: Final = re.compile(rb"(?:%[0-9A-Fa-f]{2})++")
_BEHIND_PATH: Final = re.compile(rb"[?#].*", re.DOTALL)
_BEFORE_PATH: Final = re.compile(rb"[^/?#]*+(?://[^/?#]*+)?")
_METHODS: Final = frozenset(  # IANA's registry but CONNECT and PRI, and five that caches and UPnP know
    b"ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT COPY DELETE GET HEAD LABEL LINK LOCK M-SEARCH MERGE MKACTIVITY"
    b" MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE MOVE NOTIFY OPTIONS ORDERPATCH PATCH POST PROPFIND PROPPATCH"
    b" PURGE PUT QUERY REBIND REPORT SEARCH SUBSCRIBE TRACE UNBIND UNCHECKOUT UNLINK UNLOCK UNSUBSCRIBE UPDATE"
    b" UPDATEREDIRECTREF VERSION-CONTROL".split()
)
_KNOWN: Final = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


@value()
class Target:
    """A request target taken apart: the path as sent and decoded, the query, and the authority of absolute form."""

    raw_path: bytes
    path: str
    query: bytes
    authority: bytes | None


def judge(
    method: bytes, version: str, target: Target | None, fields: Fields, limits: DoorLimits
) -> ProblemDetails | None:
    """Return why a head is refused, or None. Field names are in lower case."""
    if version not in {"1.1", "1.0"}:
        return problems.bad_request("only HTTP/1.0 and HTTP/1.1 are spoken here")
    if method not in _METHODS:  # RFC 9110 9.1: unknown to us, and yet no malformed request
        return problems.method_not_allowed(_KNOWN)
    if target is None:
        return problems.bad_request("the request target is not valid")
    if target.raw_path == b"*" and method != b"OPTIONS":
        return problems.bad_request("the target * belongs to OPTIONS")
    return _judge_host(version, target, fields, limits)


def _judge_host(version: str, target: Target, fields: Fields, limits: DoorLimits) -> ProblemDetails | None:
    hosts = [said for name, said in fields if name == b"host"]
    if len(hosts) > 1:
        return problems.bad_request("Host is given twice")
    if not hosts and version != "1.0":
        return problems.bad_request("Host is missing")
    host = hosts[0] if hosts else target.authority  # HTTP/1.0 may name the host in the target alone
    return None if host is None else _judge_authority(host, target, limits)


def _judge_authority(host: bytes, target: Target, limits: DoorLimits) -> ProblemDetails | None:
    named = _named(host)
    if named is None:
        return problems.bad_request("Host is not valid")
    if target.authority is not None and _normal(target.authority) != _normal(host):
        return problems.bad_request("the target names another host than Host")
    if limits.hosts and named not in limits.hosts and not target.raw_path.startswith(limits.exempt):
        return problems.misdirected()  # but probes know addresses, not names
    return None


def _named(authority: bytes) -> str | None:
    """Return the host of an authority in lower case, or None if it is not one (RFC 3986 3.2)."""
    return _parsed(authority) if len(authority) <= _LONGEST_HOST else None


@lru_cache(_HOSTS)
def _parsed(authority: bytes) -> str | None:
    named = _HOST.fullmatch(authority)
    if named is None or (named[3] and int(named[3][-5:]) > 65_535):
        return None
    if named[2] is not None and not _is_address(named[2].decode("ascii")):
        return None
    return named[1].decode("ascii").lower()


def _is_address(literal: str) -> bool:
    try:
        IPv6Address(literal)
    except AddressValueError:
        return False
    return True


def _normal(authority: bytes) -> bytes:
    # The port of either scheme: who ends TLS before us hands targets on as they came.
    return authority.lower().removesuffix(b":80").removesuffix(b":443").removesuffix(b":")


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
    if _PERCENT not in raw_path:
        return raw_path.decode("ascii")
    kept = raw_path.replace(b"%2f", _SLASH).replace(b"%2F", _SLASH)
    return _ESCAPES.sub(_octets, kept).decode("utf-8", "replace")


def _octets(escapes: re.Match[bytes]) -> bytes:
    return unhexlify(escapes[0].replace(b"%", b""))


def instance_of(target: bytes) -> str:
    """Return the path of a target that may be of any form: no scheme, host or user information is ever repeated."""
    if not target.startswith((b"/", b"*")):
        target = target[_BEFORE_PATH.match(target).end() :]  # type: ignore[union-attr] # it matches anything
    return _BEHIND_PATH.sub(b"", target).decode("ascii", "replace") or "/"
