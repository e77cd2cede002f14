"""The processes of the platform: which there are, where each listens, and how it says that it is ready."""

from dataclasses import dataclass

from cinema.services import SERVICES
from cinema.settings import Settings, host_of

__all__ = ["StackProcess", "is_here", "parts_of"]


# Where this machine reaches who listens on all its addresses; "::" may be those of IPv6 alone.
_ON_ALL = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared


@dataclass(frozen=True, slots=True)
class StackProcess:
    """Name one process of the platform, where it listens, and how it says that it is ready.

    One that listens nowhere has the port 0, and is ready as soon as it runs.
    """

    name: str
    host: str = ""
    port: int = 0
    setting: str = ""
    ready: str = ""
    words: tuple[str, ...] = ()  # of its command, if these are others than its name

    @property
    def authority(self) -> str:
        """Return host and port as `Host` names them (RFC 3986 3.2.2: an IPv6 address stands in brackets)."""
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Return its address on this machine."""
        return f"http://{self.authority}"


def parts_of(settings: Settings) -> list[StackProcess]:
    """Return the processes to start here, the gateway last; a service at another host runs elsewhere.

    Where only documents are served, the gateway is alone.
    """
    host = _ON_ALL.get(settings.gateway_host, settings.gateway_host)
    gateway = StackProcess("gateway", host, settings.gateway_port, "GATEWAY_PORT", "/health/ready")
    if settings.docs_only:
        return [gateway]
    parts = [
        StackProcess(service.name, *service.address(settings), service.setting, "/health")
        for service in SERVICES.values()
        if is_here(host_of(service.url(settings)))
    ]
    return [*parts, StackProcess("etl", words=("etl", "--watch")), gateway]


def is_here(host: str) -> bool:
    """Tell whether an address is this machine's to itself."""
    return host in {"localhost", "::1"} or host.startswith("127.")
