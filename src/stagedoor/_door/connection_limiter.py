"""How many connections each client holds open (T13)."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network

from stagedoor._addresses import client_key, trust

__all__ = ["ConnectionLimiter"]


class ConnectionLimiter:
    """Counts the connections of this process by client: an IPv4 address, or the /64 of an IPv6 address.

    Each may hold `most`. Peers in `proxies` speak for many, and may hold as many as there is room for.
    """

    def __init__(self, most: int, proxies: Iterable[IPv4Network | IPv6Network] = ()) -> None:
        self._most = most
        self._proxy = trust(proxies)
        self._held: dict[str, int] = {}

    def enter(self, address: str) -> bool:
        """Count a connection; tell whether it is within what its client may hold."""
        client = client_key(address)
        held = self._held[client] = self._held.get(client, 0) + 1
        return held <= self._most or self._proxy(address)

    def leave(self, address: str) -> None:
        """Take a connection back that was counted."""
        client = client_key(address)
        if self._held[client] > 1:
            self._held[client] -= 1
        else:
            del self._held[client]

    def __repr__(self) -> str:
        return f"<ConnectionLimiter {sum(self._held.values())} connections of {len(self._held)} clients>"
