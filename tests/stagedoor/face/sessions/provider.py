"""A small OpenID provider for tests: code flow with PKCE, rotating refresh tokens, and ways to misbehave.

It judges what a client sends as a strict provider would, so that a client that is careless fails. `serving` puts it
behind real HTTP; without that it is a transport in process.
"""

import asyncio
import base64
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from stagedoor._call import Call
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._transports.statuses import refusal
from stagedoor.errors import UpstreamUnavailable
from tests.stagedoor.face.guards.tokens import Signer

__all__ = ["CLIENT", "SECRET", "Provider"]

CLIENT, SECRET = "shop client", "s:cret/+%"  # to be encoded, both of them (RFC 6749 2.3.1)
_SIGNER = Signer("ES256", "one")
_SAFE = {"content-type": "application/json"}


@dataclass
class Grant:
    """What a code or a refresh token stands for."""

    subject: str
    asked: Mapping[str, str]
    family: str
    used: bool = False


@dataclass
class Provider:
    """One provider; what is public is for tests to turn."""

    issuer: str = "https://login.example"
    wall: Callable[[], float] = time.time
    signer: Signer = _SIGNER
    published: list[Signer] = field(default_factory=lambda: [_SIGNER])
    expires_in: Any = 300
    claims: dict[str, Any] = field(
        default_factory=dict
    )  # in ID tokens, in the place of others; None leaves one out
    head: dict[str, Any] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)  # in answers of the token endpoint, in the same way
    says_issuer: bool = True
    down: bool = False
    failing: int = 0  # a status that the token endpoint answers with
    rotates: bool = True
    gate: asyncio.Event | None = None  # what the token endpoint waits for
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._codes: dict[str, Grant] = {}
        self._refreshes: dict[str, Grant] = {}
        self._ended: set[str] = set()  # families

    def count(self, kind: str) -> int:
        """Tell how often the token endpoint was asked for one kind of grant."""
        return sum(form.get("grant_type") == kind for path, form in self.asked if path == "/token")

    @property
    def refresh_tokens(self) -> list[str]:
        """List the refresh tokens that were given, in their order."""
        return list(self._refreshes)

    def use(self, token: str) -> None:
        """Use a refresh token, as somebody would who has stolen it."""
        self._refreshes[token].used = True

    def end(self, subject: str) -> None:
        """Accept no refresh token of somebody any more."""
        self._ended |= {one.family for one in self._refreshes.values() if one.subject == subject}

    # --- what it answers -----------------------------------------------------------------------------------

    def authorize(self, address: str, subject: str) -> str:
        """Log a browser in that was sent here, and return where it is sent back to."""
        asked = dict(parse_qsl(urlsplit(address).query))
        assert address.startswith(f"{self.issuer}/authorize?")
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        assert len(asked["state"]) == len(asked["nonce"]) == len(asked["code_challenge"]) == 43
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = Grant(subject, asked, secrets.token_hex(8))
        back = {"code": code, "state": asked["state"], **({"iss": self.issuer} if self.says_issuer else {})}
        return f"{asked['redirect_uri']}?{urlencode(back)}"

    async def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Any]:
        """Return status and JSON."""
        path, form = target.partition("?")[0], dict(parse_qsl(body.decode()))
        path = path.removeprefix(urlsplit(self.issuer).path)
        self.asked.append((path, form))
        self.headers.append(dict(headers))
        if path == "/.well-known/openid-configuration":
            return 200, self.metadata()
        if path == "/keys":
            return 200, {"keys": [one.jwk() for one in self.published]}
        if self.gate is not None:
            await self.gate.wait()
        if self.failing:
            return self.failing, {"error": "server_error"}
        if method != "POST" or not self._knows(headers, form):
            return 401, {"error": "invalid_client"}
        if path == "/revoke":
            self.revoked.append(form["token"])
            return 200, {}
        return self._token(form)

    def metadata(self) -> dict[str, Any]:
        """Return the document of discovery."""
        said = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "revocation_endpoint": f"{self.issuer}/revoke",
            "end_session_endpoint": f"{self.issuer}/logout",
            "authorization_response_iss_parameter_supported": self.says_issuer,
        }
        return {name: one for name, one in {**said, **self.document}.items() if one is not None}

    def _knows(self, headers: Mapping[str, str], form: Mapping[str, str]) -> bool:
        scheme, _, pair = headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            who, _, secret = base64.b64decode(pair).decode().partition(":")
            return (unquote_plus(who), unquote_plus(secret)) == (CLIENT, SECRET)
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)

    def _token(self, form: Mapping[str, str]) -> tuple[int, Any]:
        refused = 400, {"error": "invalid_grant"}
        if form.get("grant_type") == "authorization_code":
            grant = self._codes.pop(form["code"], None)
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if grant is None or challenge != grant.asked["code_challenge"]:
                return refused
            if form["redirect_uri"] != grant.asked["redirect_uri"]:
                return refused
            return 200, self._tokens(grant, grant.asked["nonce"])
        grant = self._refreshes.get(form["refresh_token"])
        if grant is None or grant.family in self._ended:
            return refused
        if grant.used and self.rotates:  # RFC 9700 4.14.2
            self._ended.add(grant.family)
            return refused
        grant.used = True
        return 200, self._tokens(grant, None)

    def _tokens(self, grant: Grant, nonce: str | None) -> dict[str, Any]:
        access, refresh = (secrets.token_urlsafe(16) for _ in range(2))
        self._refreshes[refresh] = Grant(grant.subject, grant.asked, grant.family)
        now = int(self.wall())
        said: dict[str, Any] = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": grant.subject,
            "exp": now + 300,
            "iat": now,
            "nonce": nonce,
            "at_hash": half_hash(access),
            **self.claims,
        }
        claims = {name: one for name, one in said.items() if one is not None}
        head = {"kid": self.signer.kid, **self.head}
        answer = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "refresh_token": refresh,
            "id_token": self.signer.token(claims, head),
            "scope": grant.asked["scope"],
            **self.given,
        }
        return {name: one for name, one in answer.items() if one is not None}

    # --- as a transport, and over HTTP ---------------------------------------------------------------------

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        if self.down:
            raise UpstreamUnavailable(call.operation, "refused")
        request = call.payload
        assert isinstance(request.body, bytes)
        headers = {name.decode(): said.decode() for name, said in request.headers}
        status, said = await self.answer(request.method, request.target.decode(), headers, request.body)
        response = HttpResponse(status=status, body=json.dumps(said).encode())
        error = refusal(call.operation, response, 0.0)
        if error is not None:
            raise error
        return response

    def key_of(self, payload: HttpRequest, /) -> bytes:
        return payload.target

    def idempotent(self, payload: HttpRequest, /) -> bool:
        return payload.method == "GET"

    async def aclose(self) -> None:
        """Hold nothing."""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Answer over HTTP, on this machine; yield the issuer."""
        tasks: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._conversation(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self.issuer = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self.issuer
        finally:
            server.close()
            for one in tuple(tasks):
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _conversation(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ")
                lines = (line.partition(":") for line in head[1:] if line)
                headers = {name.lower(): said.strip() for name, _, said in lines}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                if self.down:
                    break
                status, said = await self.answer(method, target, headers, body)
                raw = json.dumps(said).encode()
                writer.write(b"HTTP/1.1 %d -\r\ncontent-length: %d\r\n\r\n%b" % (status, len(raw), raw))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()


def half_hash(access: str) -> str:
    """Return what an ID token says of an access token (OpenID Connect Core 3.1.3.6)."""
    return base64.urlsafe_b64encode(hashlib.sha256(access.encode()).digest()[:16]).rstrip(b"=").decode()
