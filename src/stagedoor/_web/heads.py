"""What a head says to the near cache: whether it may be answered there, what it asks for, and which ids it brings."""

import re
from typing import Final

from stagedoor._requests import Headers
from stagedoor._web.permissions import Ask, Form, Permission
from stagedoor._web.trace import parent_trace_id

__all__ = ["DECIDING", "KnownHead", "forwarded_of", "ids_of", "is_plain", "may_be_remembered"]

_LONGEST: Final = 2_048  # octets of a head that is remembered
# Whose octets are not to be kept, or do not tell by themselves who asks.
_FORGOTTEN: Final = (
    *(b"\r\nauthorization:", b"\r\ncookie:", b"\r\nproxy-authorization:", b"\r\nx-api-key:"),
    *(b"\r\nforwarded:", b"\r\nx-forwarded-for:"),
)
# What asks for something else than a kept answer, or frames the message: the gateway looks at it.
_NEVER: Final = frozenset(
    {
        b"content-length",
        b"expect",
        b"http2-settings",
        b"if-match",
        b"if-modified-since",
        b"if-range",
        b"if-unmodified-since",
        b"range",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"via",
        b"x-forwarded-prefix",
    }
)
_OURS: Final = b"\0stagedoor-"  # how a name of ours begins in a list of names
# All that is looked at here, beside the fields that routes name and the ids.
DECIDING: Final = _NEVER | {b"accept-encoding", b"connection", b"if-none-match", b"origin", b"stagedoor-*"}
_REQUEST_ID: Final = b"\r\nx-request-id:"
_PARENT: Final = b"\r\ntraceparent:"
_ID: Final = re.compile(rb"[ \t]*+([A-Za-z0-9._-]{1,128}+)[ \t]*+\r")
_FORWARDED: Final = re.compile(
    rb"\r\n([xX]-[fF][oO][rR][wW][aA][rR][dD][eE][dD]-[fF][oO][rR]|[fF][oO][rR][wW][aA][rR][dD][eE][dD]):([^\r]*)"
)


class KnownHead:
    """A head that came before and what it means: octet for octet, or one for all of its outline.

    Ids are "" where it brings none, or where each of the outline brings its own.
    """

    __slots__ = ("ask", "form", "negotiated", "permission", "request_id", "serial", "trace_id", "used")

    def __init__(
        self,
        permission: Permission,
        ask: Ask,
        form: Form,
        now: float,
        request_id: str = "",
        trace_id: str = "",
    ) -> None:
        self.permission = permission
        self.negotiated = permission.negotiated
        self.ask = ask
        self.form = form  # of the entry with this serial
        self.serial = permission.serial
        self.request_id = request_id
        self.trace_id = trace_id
        self.used = now

    def renew(self) -> bool:
        """Take the form of the entry that is permitted now; False if there is none, or another may be meant."""
        permission = self.permission
        if not permission.serial or self.negotiated != permission.negotiated:
            return False
        self.form, self.serial = permission.form(self.ask), permission.serial
        return True


def is_plain(named: dict[bytes, bytes]) -> bool:
    """Tell whether a head asks for nothing that only the gateway can answer."""
    names = b"\0".join(named)
    if not _NEVER.isdisjoint(named) or _OURS in names or names.startswith(_OURS[1:]):
        return False
    return named.get(b"connection", b"keep-alive").lower() == b"keep-alive"


def may_be_remembered(octets: bytes) -> bool:
    """Tell whether a whole head may be kept octet for octet: it is short, no secret, and tells who asks."""
    lowered = octets.lower()
    return len(octets) <= _LONGEST and not any(line in lowered for line in _FORGOTTEN)


def ids_of(octets: bytes) -> tuple[str, str]:
    """Return the ids of request and trace that a whole head brings, "" for each that it does not, as read ones are."""
    lowered = octets.lower()
    at = lowered.rfind(_REQUEST_ID)  # the last one given
    named = _ID.match(octets, at + len(_REQUEST_ID)) if at >= 0 else None
    at = lowered.find(_PARENT)
    if at < 0 or lowered.find(_PARENT, at + 2) >= 0:
        trace_id = ""
    else:
        at += len(_PARENT)
        trace_id = parent_trace_id(octets[at : octets.find(b"\r", at)].strip(b" \t"))
    return "" if named is None else named[1].decode(), trace_id


def forwarded_of(octets: bytes) -> Headers:
    """Return the lines of a whole head in which proxies tell whom they were asked by."""
    return tuple([(name.lower(), said.strip(b" \t")) for name, said in _FORWARDED.findall(octets)])
