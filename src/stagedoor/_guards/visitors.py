"""Who was let in, and who lets in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from stagedoor._deadline import DueTime
from stagedoor._requests import Headers

__all__ = ["Authenticator", "Known", "only_line"]


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody whose credentials are good: `issuer` and `subject` name them, nobody else has both.

    `scopes` may make one subject's answers differ; `token` is what a service may be sent in their name.
    """

    subject: str
    issuer: str = ""
    scopes: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict)
    token: str = field(default="", repr=False)


class Authenticator(Protocol):
    """Tells who asks, from the fields of a request."""

    async def authenticate(self, fields: Headers, deadline: DueTime) -> Known:
        """Return who it is; raises `Denied`. It waits for keys until the deadline, and no longer."""
        ...

    def subject(self, fields: Headers) -> str:
        """Return who it is as far as that can be told without waiting; "" for anybody else."""
        ...

    def permits(self, method: str, fields: Headers) -> bool:
        """Tell whether credentials say who wrote a request, and not only which browser sent it."""
        ...

    def start(self) -> None:
        """Begin to fetch what is not there yet; called when the gateway opens, inside its event loop."""
        ...

    async def aclose(self) -> None:
        """Hold nothing any more."""
        ...


def only_line(fields: Headers, wanted: bytes) -> bytes | None:
    """Return the value of a field; None if it is absent. Raises `ValueError` if it is there more than once."""
    lines = [said for name, said in fields if name == wanted]
    if len(lines) > 1:
        raise ValueError("more than one")
    return lines[0] if lines else None
