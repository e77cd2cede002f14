"""What a provider says of itself (OpenID Connect Discovery 1.0; RFC 8414), fetched once for everybody.

It is asked for when the gateway opens and again every hour while somebody logs in or is refreshed; what is there goes
on being used in an outage. All addresses are of https unless the provider runs on this machine, for they get secrets.
"""

import asyncio
import logging
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final

import orjson

from stagedoor._clock import Clock
from stagedoor._guards.sessions.http import ProviderHttp
from stagedoor._guards.sessions.settings import is_secure_address
from stagedoor.errors import StagedoorError, UpstreamUnavailable

__all__ = ["Discovery", "ProviderMetadata", "metadata_of"]

_PATH: Final = "/.well-known/openid-configuration"
_SECONDS: Final = 2.0
_LIFETIME: Final = 3_600.0
_RETRY: Final = 1.0
_LOGGER = logging.getLogger("stagedoor.guards")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderMetadata:
    """The addresses of a provider, and what it can do; "" is an address that it does not have."""

    issuer: str
    authorization: str
    token: str
    keys: str
    end_session: str = ""
    revocation: str = ""
    says_issuer: bool = False  # RFC 9207 3
    posts_secret: bool = False  # client_secret_basic is not among what it takes


def metadata_of(document: bytes, issuer: str) -> ProviderMetadata:
    """Read a provider's document; raises `ValueError` for one of another issuer, or without what is needed."""
    said: Any = orjson.loads(document)
    if not isinstance(said, dict) or said.get("issuer") != issuer:  # Discovery 4.3: exactly the same
        raise ValueError("the document is another issuer's")
    methods = said.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    if not isinstance(methods, list):
        raise ValueError("token_endpoint_auth_methods_supported is no list")  # noqa: TRY004 - of what came from outside
    return ProviderMetadata(
        issuer=issuer,
        authorization=_address(said, "authorization_endpoint", issuer),
        token=_address(said, "token_endpoint", issuer),
        keys=_address(said, "jwks_uri", issuer),
        end_session=_address(said, "end_session_endpoint", issuer, needed=False),
        revocation=_address(said, "revocation_endpoint", issuer, needed=False),
        says_issuer=said.get("authorization_response_iss_parameter_supported") is True,
        posts_secret="client_secret_basic" not in methods and "client_secret_post" in methods,
    )


def _address(said: dict[str, Any], name: str, issuer: str, *, needed: bool = True) -> str:
    found = said.get(name)
    if found is None and not needed:
        return ""
    if not isinstance(found, str) or not is_secure_address(found) or "#" in found:
        raise ValueError(f"{name} is no address of https")
    if issuer.startswith("https:") and not found.startswith("https:"):  # not even on this machine
        raise ValueError(f"{name} is no address of https")
    return found


class Discovery:
    """Knows a provider's metadata; one fetch at a time, however many wait for it."""

    def __init__(self, name: str, issuer: str, http: ProviderHttp, clock: Clock) -> None:
        self._name = name
        self._issuer = issuer
        self._http = http
        self._now = clock.now
        self._metadata: ProviderMetadata | None = None
        self._asked = self._had = float("-inf")
        self._flight: asyncio.Task[None] | None = None

    async def metadata(self) -> ProviderMetadata:
        """Return the metadata; raises `UpstreamUnavailable` where there is none yet."""
        now = self._now()
        if now >= self._had + _LIFETIME and now >= self._asked + _RETRY:
            self.start()
        if self._metadata is None and self._flight is not None:
            await asyncio.shield(self._flight)
        if self._metadata is None:
            raise UpstreamUnavailable(
                f"{self._name}.provider", "the provider cannot be reached", retry_after=1.0
            )
        return self._metadata

    def start(self) -> None:
        """Begin to fetch, unless that is under way."""
        if self._flight is None:
            self._asked = self._now()
            self._flight = asyncio.create_task(self._renew(), context=Context())
            self._flight.add_done_callback(self._landed)

    def _landed(self, _: "asyncio.Task[None]") -> None:
        self._flight = None

    async def _renew(self) -> None:
        try:
            answer = await self._http.ask(self._issuer.rstrip("/") + _PATH, seconds=_SECONDS)
            if answer.status != 200:
                raise ValueError(f"it answered {answer.status}")  # noqa: TRY301 - told like any other reason
            self._metadata = metadata_of(answer.body, self._issuer)
            self._had = self._now()
        except (StagedoorError, ValueError) as error:
            held = "what is there goes on" if self._metadata is not None else "nobody can log in"
            _LOGGER.warning("the provider of %s cannot be read (%s): %s", self._name, error, held)

    async def aclose(self) -> None:
        """End a fetch that is under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.gather(self._flight, return_exceptions=True)
