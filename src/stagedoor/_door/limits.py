"""What one connection, and all of them together, may take. Times are seconds, sizes are octets."""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Final

__all__ = ["KEEP_ALIVE_UNTIL", "DoorLimits", "idle_allowance", "occupancy"]

KEEP_ALIVE_UNTIL: Final = 0.92  # O3: of what the process can carry

# O3: with connections at 95 % of what the process can carry, new requests are shed; idle time shrinks from 85 %.
_SHRINKS_FROM: Final = 0.85
_SHED_FROM: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLimits:
    """The bounds of the door; the defaults are those of the contract."""

    request_line: int = 32_768  # beyond: 414
    header_bytes: int = 65_536  # beyond: 431
    header_fields: int = 256  # beyond: 431; trailers have the same two bounds
    head_timeout: float = 10.0  # from the accept, or from the first octet of a later request: 408
    idle_timeout: float = 75.0  # between requests: closed
    idle_floor: float = 2.0  # what is left of it under pressure (O3)
    body_timeout: float = 20.0  # without an octet of the body, or under the floor: 408
    body_floor: int = 1_024  # octets of the body that each `body_timeout` must bring
    write_timeout: float = 20.0  # a reader slower than the floor is cut off
    write_floor: int = 16_384  # octets that a reader must take in each `write_timeout`
    linger: float = 2.0  # how long a client may go on sending after its last answer before it is cut off
    linger_bytes: int = 16_777_216  # and how much
    pipelined: int = 32  # requests that may wait on one connection; it closes after them
    max_connections: int = 12_000  # beyond: 503 for all but `exempt`
    per_client: int = 0  # connections of one client; beyond: 503; 0: as many as there is room for
    proxies: tuple[
        IPv4Network | IPv6Network, ...
    ] = ()  # peers that speak for many clients, and have no such bound
    exempt: tuple[bytes, ...] = (b"/health", b"/metrics")  # paths that are answered at every stage
    hosts: frozenset[str] = field(default_factory=frozenset)  # names served, lower case; empty: any; else 421

    @property
    def shortest(self) -> float:
        """Return the shortest of the limits in time: how often a connection is looked at."""
        return min(self.head_timeout, self.idle_timeout, self.body_timeout, self.write_timeout)

    @property
    def roomy(self) -> float:
        """Return the number of connections below which they are kept alive."""
        return KEEP_ALIVE_UNTIL * self.max_connections / _SHED_FROM

    @property
    def ceiling(self) -> int:
        """Return the number of connections beyond which even health checks are turned away."""
        return self.max_connections + self.max_connections // 4 + 64


def occupancy(connections: int, limits: DoorLimits) -> float:
    """Return the load as O3 counts it: `max_connections` is the point where requests are shed, 0.95."""
    return connections * _SHED_FROM / limits.max_connections


def idle_allowance(base: float, floor: float, load: float) -> float:
    """Return how long a connection may idle: all of `base` up to 85 % load, falling linearly to `floor` at 95 %."""
    share = (_SHED_FROM - load) / (_SHED_FROM - _SHRINKS_FROM)
    return min(base, max(floor, floor + (base - floor) * share))
