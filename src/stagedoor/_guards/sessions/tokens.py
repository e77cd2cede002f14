"""What the token endpoint gives (RFC 6749 4.1.3, 5.1, 6; RFC 7009), asked as a confidential client.

A code, a verifier and a refresh token are sent once: no attempt is repeated, since a provider takes the second use of
one for theft (RFC 9700 4.14.2).
"""

import base64
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import orjson

from stagedoor._guards.sessions.discovery import Discovery, ProviderMetadata
from stagedoor._guards.sessions.http import ProviderHttp
from stagedoor._guards.sessions.settings import SessionSettings
from stagedoor._requests import Headers, HttpResponse
from stagedoor.errors import UpstreamGarbled, UpstreamRejected

__all__ = ["GrantRefused", "TokenEndpoint", "TokenSet"]

_SECONDS: Final = 5.0
_REVOKED: Final = 1.0
_LONGEST: Final = 65_536
_ERRORS: Final = frozenset(  # RFC 6749 5.2
    {"invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}
)
_LOGGER = logging.getLogger("stagedoor.guards")


class GrantRefused(Exception):
    """The provider does not accept a code or refresh token, or not any more: `invalid_grant` (RFC 6749 5.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSet:
    """What the provider gave; None and "" are what it left out."""

    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)
    expires_in: float = 0.0
    scopes: tuple[str, ...] | None = None  # None: as asked for (RFC 6749 5.1)


class TokenEndpoint:
    """Asks for tokens, in the name of the gateway."""

    def __init__(self, name: str, said: SessionSettings, discovery: Discovery, http: ProviderHttp) -> None:
        self._operation = f"{name}.provider"
        self._said = said
        self._discovery = discovery
        self._http = http

    async def exchange(self, code: str, verifier: str, redirect_uri: str) -> TokenSet:
        """Return the tokens of a code; raises `GrantRefused` and `UpstreamError`."""
        return await self._granted(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": redirect_uri,
                "code_verifier": verifier,
            }
        )

    async def refresh(self, token: str) -> TokenSet:
        """Return the next tokens; raises `GrantRefused` and `UpstreamError`."""
        return await self._granted({"grant_type": "refresh_token", "refresh_token": token})

    async def revoke(self, token: str) -> None:
        """Let the provider forget a refresh token, where it can (RFC 7009); raises `UpstreamError`."""
        metadata = await self._discovery.metadata()
        if metadata.revocation and token:
            asked = {"token": token, "token_type_hint": "refresh_token"}
            await self._posted(metadata, metadata.revocation, asked, _REVOKED)

    async def _granted(self, asked: Mapping[str, str]) -> TokenSet:
        metadata = await self._discovery.metadata()
        answer = await self._posted(metadata, metadata.token, asked, _SECONDS)
        said = _object(answer.body)
        if answer.status == 200:
            found = token_set(said)
            if found is not None:
                return found
        elif 400 <= answer.status < 500:
            if said.get("error") == "invalid_grant":
                raise GrantRefused
            self._tell(answer.status, said.get("error"))
            raise UpstreamRejected(self._operation, f"the token endpoint answered {answer.status}")
        raise UpstreamGarbled(self._operation, "no tokens")

    def _tell(self, status: int, error: object) -> None:
        """Tell whoever operates it why the provider refuses the gateway, as far as that is one of the known words."""
        why = error if isinstance(error, str) and error in _ERRORS else "no reason"
        _LOGGER.error("%s refuses this gateway: %d, %s", self._operation, status, why)

    async def _posted(
        self, metadata: ProviderMetadata, url: str, asked: Mapping[str, str], seconds: float
    ) -> HttpResponse:
        who, secret = self._said.client_id, self._said.client_secret
        fields: Headers = ()
        if metadata.posts_secret:
            asked = {**asked, "client_id": who, "client_secret": secret}
        else:  # RFC 6749 2.3.1: both are encoded as forms are, then joined
            pair = f"{quote_plus(who)}:{quote_plus(secret)}".encode()
            fields = ((b"authorization", b"Basic " + base64.b64encode(pair)),)
        return await self._http.ask(url, fields=fields, form=urlencode(asked).encode(), seconds=seconds)


def _object(body: bytes) -> dict[str, Any]:
    try:
        said: Any = orjson.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def token_set(said: Mapping[str, Any]) -> TokenSet | None:
    """Read the answer of a token endpoint; None for what is none (RFC 6749 5.1)."""
    access, kind = said.get("access_token"), said.get("token_type")
    refresh, id_token = said.get("refresh_token") or "", said.get("id_token") or ""
    scope = said.get("scope")
    if (
        not isinstance(kind, str) or kind.lower() != "bearer"
    ):  # RFC 6749 7.1: no token of a type we do not know
        return None
    if not _is_token(access) or not access or not _is_token(refresh) or not _is_token(id_token):
        return None
    return TokenSet(
        access=access,
        refresh=refresh,
        id_token=id_token,
        expires_in=_lifetime(said.get("expires_in")),
        scopes=tuple(scope.split()) if isinstance(scope, str) else None,
    )


def _is_token(said: object) -> bool:
    """Tell whether a text can stand in a field as it is (RFC 6750 2.1), where it may be sent on."""
    return isinstance(said, str) and len(said) <= _LONGEST and all("\x21" <= one <= "\x7e" for one in said)


def _lifetime(said: object) -> float:
    """Return the seconds that a token lives; 0 is unknown. Some providers write the number as a text."""
    if isinstance(said, str) and said.isascii() and said.isdigit() and len(said) < 10:
        said = int(said)
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        return 0.0
    return max(0.0, float(said))
