"""Whose request it is: the address of a client, directly or behind proxies one trusts (H8).

Anybody may write `X-Forwarded-For` or `Forwarded`. What is believed is what a trusted peer wrote, and that stands at
the right end: a proxy appends the address it was asked from. So the fields are read from the right; the first address
that is no trusted proxy's is the client's, and whatever stands left of it is the client's own tale. Where the list
ends before that, or a name stands there that is no address (`unknown`, `_hidden`), the socket's peer is the client.

A proxy writes one of the two fields and passes the other one on as the client wrote it; which one is not told. If both
are there and name different clients, neither is believed: such requests count for the proxy itself.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from stagedoor._requests import Headers

__all__ = ["Trust", "client_key", "client_of", "trust"]

Trust: TypeAlias = Callable[[str], bool]

_KEPT = 8_192  # addresses whose meaning is remembered: finding it out costs 2 to 5 microseconds
_PARAMETER = re.compile(r';?\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s;,"]*)\s*', re.ASCII)
_NODE = re.compile(
    r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+)(?::[0-9]{1,5})?|([0-9A-Fa-f:.]+)", re.ASCII
)
# What stands between two commas outside quotes; a quote that nothing ends goes on to the end.
_ELEMENT = re.compile(r'(?:\A|,)((?:[^",]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z))*+)', re.DOTALL)
_MOST_HOPS = 64  # read from the right: what a client wrote in front costs nothing
_LONGEST = 8_192  # octets of `Forwarded`, whose quotes have to be read from the left


def trust(networks: Iterable[IPv4Network | IPv6Network]) -> Trust:
    """Return what tells whether an address lies in one of the networks; what is no address does not."""
    listed = tuple(map(_plain, networks))

    @lru_cache(_KEPT)
    def trusted(address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        plain = getattr(found, "ipv4_mapped", None) or found
        return any(plain in network for network in listed)

    return trusted


def _plain(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """Return a network of mapped addresses as what it maps (RFC 4291 2.5.5.2): so they are looked up."""
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    return (
        network if mapped is None or network.prefixlen < 96 else IPv4Network((mapped, network.prefixlen - 96))
    )


def client_of(peer: str, fields: Headers, trusted: Trust) -> str:
    """Return the address of the client: the peer's, unless the peer is a proxy one trusts."""
    if not trusted(peer):
        return peer
    named: set[str] = set()
    lines = [value for name, value in fields if name == b"x-forwarded-for"]
    if lines:
        named.add(_first_stranger(_listed(lines), trusted) or peer)
    lines = [value for name, value in fields if name == b"forwarded"]
    if lines:
        named.add(_first_stranger(_forwarded(b",".join(lines)), trusted) or peer)
    return named.pop() if len(named) == 1 else peer


def _first_stranger(hops: list[str], trusted: Trust) -> str | None:
    """Return the first address from the right that is not trusted; None if something else comes first."""
    for hop in reversed(hops):
        address = _address(hop)
        if address is None or not trusted(address):
            return address
    return None


def _listed(lines: list[bytes]) -> list[str]:
    """Return the last members of `X-Forwarded-For`, all its lines in order."""
    hops = b",".join(lines).rsplit(b",", _MOST_HOPS)
    return [hop.decode("latin-1").strip() for hop in hops[-_MOST_HOPS:]]


def _forwarded(said: bytes) -> list[str]:
    """Return who the last hops were asked by (RFC 7239, 4); "" for a hop that does not say, or not properly.

    None is named where a client has made it longer than proxies do.
    """
    if len(said) > _LONGEST:
        return []
    elements: list[str] = _ELEMENT.findall(said.decode("latin-1"))
    return [_asker(element) for element in elements[-_MOST_HOPS:]]


def _asker(element: str) -> str:
    """Return the value of `for`, unquoted."""
    element, place, asker = element.strip(), 0, ""
    while place < len(element):
        found = _PARAMETER.match(element, place)
        if found is None:
            return ""
        if found[1].lower() == "for":
            asker = re.sub(r"\\(.)", r"\1", found[2][1:-1]) if found[2].startswith('"') else found[2]
        place = found.end()
    return asker


def _address(node: str) -> str | None:
    """Return the address of `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`; None for other names."""
    found = _NODE.fullmatch(node)
    if found is None:
        return None
    text = found[1] or found[2] or found[3]
    try:
        ip_address(text)
    except ValueError:
        return None
    return text


@lru_cache(_KEPT)
def client_key(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 of an IPv6 address."""
    if ":" not in address:  # no IPv6 address: behind a mesh nearly each one is new
        return address
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return f"{IPv6Address(int(found) >> 64 << 64)}/64"
