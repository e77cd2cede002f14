"""Guards at work: nobody reaches a cache, a part or a service before the guard of the route knows who it is (T19).

request ─▶ guard: 401, 403 │ who it is ─▶ inputs ─▶ [ kept ] ─▶ ... ─▶ answer that is nobody else's
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pydantic import BaseModel, ValidationError

from stagedoor import _problems as problems
from stagedoor._asgi import Scope
from stagedoor._context import current
from stagedoor._deadline import DueTime
from stagedoor._face.caller import Caller, Rules, caller_here
from stagedoor._face.fields import Picker
from stagedoor._face.guards import Claimed, Guard
from stagedoor._face.problems import Problem
from stagedoor._guards.denials import Denied, told
from stagedoor._guards.visitors import Authenticator, Known
from stagedoor._requests import Headers
from stagedoor._web.answer import WebAnswer
from stagedoor._web.request import Request
from stagedoor._web.routes import RequestRefused, Route
from stagedoor.errors import ConfigError, UpstreamUnavailable

__all__ = ["Guarding", "Visitor", "guarded", "private", "rules_of", "token_field", "who_of"]

_SHARED = re.compile(rb"\s*(public|s-maxage\s*=.*|proxy-revalidate)\s*", re.IGNORECASE)
_SAFE = frozenset({"GET", "HEAD"})
_RENEWED = 2.0  # seconds
_CLOSED = frozenset({b"private", b"no-store"})
# One without an end ends with all: else what follows it would be looked at again from each quote in it.
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)')
# What some caches obey instead of Cache-Control: those of CDNs (RFC 9213; also with a vendor's name in front), nginx.
_TARGETED = frozenset({b"edge-control", b"surrogate-control", b"x-accel-expires"})


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whom a guard let in; `identity` is bytes that no two of them share, nor one of them with other scopes."""

    guard: Guard
    known: Known
    claims: BaseModel | None
    identity: bytes

    @property
    def subject(self) -> bytes:
        """Return bytes that no two subjects share; those of one stay the same, whatever is granted."""
        known = self.known
        return self.identity if not known.scopes else _identity(self.guard.name, known.issuer, known.subject)


class Guarding:
    """One guard of a running gateway."""

    def __init__(self, guard: Guard, authenticator: Authenticator | None, realm: str) -> None:
        self.guard = guard
        self._authenticator = authenticator
        self._realm = realm
        self._finding: asyncio.Task[None] | None = None

    async def visitor(self, fields: Headers, deadline: DueTime, method: str = "GET") -> Visitor:
        """Return who asks; raises `Denied`."""
        if self._authenticator is None:
            raise Denied("unready", "only documents are served")
        if not self._authenticator.permits(method, fields):
            raise Denied("foreign", "a page of another site asked for this")
        known = await self._authenticator.authenticate(fields, deadline)
        if not self.guard.scopes <= known.scopes:
            raise Denied("scope", "the credentials do not permit this")
        # Another guard of this name may ask for other scopes, of a screen that is run within a kept answer.
        said = (self.guard.name, known.issuer, known.subject, *sorted(known.scopes))
        return Visitor(self.guard, known, self._claims(known), _identity(*said))

    def _claims(self, known: Known) -> BaseModel | None:
        model = self.guard.claims
        try:
            return None if model is None else model.model_validate(dict(known.claims))
        except ValidationError:
            raise Denied("invalid", "the claims are not those that are needed") from None

    def subject(self, fields: Headers) -> str:
        """Return who asks where that can be told at once, for limits per client; "" for anybody else."""
        found = "" if self._authenticator is None else self._authenticator.subject(fields)
        return found and f"{self.guard.name}:{found}"

    def find_out(self, fields: Headers, deadline: DueTime) -> None:
        """Ask behind who it is whom `subject` cannot name: keys are fetched, and the next request is known.

        One at a time: what is fetched for one serves all.
        """
        authenticator, header = self._authenticator, self.guard.header
        if self._finding is None and authenticator and any(name == header for name, _ in fields):
            # In a context of its own: it belongs to no request.
            asking = _found_out(authenticator, fields, deadline)
            self._finding = asyncio.create_task(asking, context=Context())
            self._finding.add_done_callback(self._found)

    def _found(self, _: "asyncio.Task[None]") -> None:
        self._finding = None

    async def aclose(self) -> None:
        """Ask no more."""
        if self._finding is not None:
            self._finding.cancel()
            await asyncio.gather(self._finding, return_exceptions=True)

    def problem(self, denied: Denied) -> problems.ProblemDetails:
        """Return what a client is told."""
        return told(denied, self.guard.scheme, self._realm, self.guard.scopes)


async def _found_out(authenticator: Authenticator, fields: Headers, deadline: DueTime) -> None:
    with suppress(Denied):
        await authenticator.authenticate(fields, deadline)


def _identity(*said: str) -> bytes:
    """Return bytes that no two subjects share; they are a digest, since keys lie in shared stores."""
    digest = hashlib.blake2b(digest_size=16)
    for one in (text.encode() for text in said):
        digest.update(b"%d:%b" % (len(one), one))
    return digest.digest()


def who_of(vary: Picker, guard: Guard | None, claimed: Sequence[Claimed]) -> Callable[[Caller], bytes]:
    """Return what tells the callers of one route apart: fields that it varies by, who was let in, claims it reads."""
    if guard is None:
        return lambda caller: vary.identity(caller.fields)

    def who(caller: Caller) -> bytes:
        visitor = visitor_of(caller)
        digest = hashlib.blake2b(vary.identity(caller.fields) + visitor.identity, digest_size=16)
        for one in claimed:
            said = one.key(visitor.known, visitor.claims)
            digest.update(b"%d:%b" % (len(said), said))
        return digest.digest()

    return who


def visitor_of(caller: Caller) -> Visitor:
    """Return whom the guard of the route let in; raises `TypeError` where none stood before it."""
    visitor = caller.visitor
    if not isinstance(visitor, Visitor):
        raise TypeError(f"{caller.rules.where}: nobody was let in")
    return visitor


def claimed_values(claimed: Sequence[Claimed], caller: Caller) -> dict[str, Any]:
    """Return the arguments that say who asks."""
    if not claimed:
        return {}
    visitor = visitor_of(caller)
    return {one.argument: one.value(visitor.known, visitor.claims) for one in claimed}


def token_field(caller: Caller, guard: Guard, service: str) -> tuple[bytes, bytes]:
    """Return the field with the token of a caller's session (RFC 6750 2.1).

    Raises `ConfigError` where no such session is known, `UpstreamUnavailable` where its token could not be renewed.
    """
    visitor = caller.visitor
    if not isinstance(visitor, Visitor) or visitor.guard.name != guard.name:
        raise ConfigError(
            f"{caller.rules.where}: the service {service!r} is sent the token of {guard.name!r}: let it guard this"
        )
    if not visitor.known.token:
        raise UpstreamUnavailable(
            f"{service}.token", "the session could not be renewed", retry_after=_RENEWED
        )
    return b"authorization", b"Bearer " + visitor.known.token.encode()


class _Refused(Problem):
    """A guard's refusal on its way out of what was used without its route: its challenge and kind go along."""

    def __init__(self, answer: problems.ProblemDetails, why: str) -> None:
        super().__init__(answer.status, why)
        self._answer = answer

    def said(self) -> problems.ProblemDetails:
        return self._answer


async def identified(caller: Caller, guarding: "Guarding | None") -> Caller:
    """Return a caller whom a guard knows, for what is used without its route; raises `Problem`: 401, 403 or 503."""
    if guarding is None:
        return caller
    visitor = caller.visitor
    if isinstance(visitor, Visitor) and visitor.guard is guarding.guard:
        return caller
    try:
        found = await guarding.visitor(caller.brought, current().deadline, caller.method)
    except Denied as denied:
        raise _Refused(guarding.problem(denied), denied.why) from denied
    known = caller.within(caller.rules, caller.inputs)
    known.visitor = found
    return known


def rules_of(where: str, vary: Picker | None, guard: Guard | None, claimed: Iterable[Claimed]) -> Rules:
    """Return what an answer allows that has such arguments."""
    return Rules(where, vary, "" if guard is None else guard.name, _claims_read(claimed))


def _claims_read(claimed: Iterable[Claimed]) -> frozenset[type]:
    """Return the models of the claims that arguments are, `dict` where one is all of them."""
    models = (one.guard.claims if one.form == "claims" else dict for one in claimed if one.form != "subject")
    return frozenset(model for model in models if model is not None)


def validate_guarded(rules: Rules, guard: Guard | None, claimed: Iterable[Claimed], name: str) -> None:
    """Raise `ConfigError` where an answer that others may get would be made of one that is somebody's own."""
    if guard is None or rules.vary is None:
        return
    if rules.guard != guard.name:
        raise ConfigError(
            f"{rules.where}: {name!r} is for whom the guard {guard.name!r} lets in, so that one caller could get "
            "another's: let it guard this route too"
        )
    unread = _claims_read(claimed) - rules.claims
    if unread and dict not in rules.claims:
        model = min(one.__name__ for one in unread)
        raise ConfigError(
            f"{rules.where}: {name!r} depends on claims, and the answer does not, so that one token could get "
            f"another's: take them here too, as in claims: Annotated[{model}, {guard.name}]"
        )


def guarded(route: Route, guarding: Guarding) -> Route:
    """Return a route behind a guard, which its documents tell of; its answers are for one subject only."""
    inner, guard = route.handle, guarding.guard

    async def handle(request: Request) -> WebAnswer:
        caller = caller_here()
        try:
            caller.visitor = await guarding.visitor(caller.brought, current().deadline, request.method)
        except Denied as denied:
            raise RequestRefused(guarding.problem(denied)) from denied
        answer = await inner(request)
        return replace(answer, headers=(*private(answer.headers), (b"vary", guard.header)), repeat=None)

    said = route.documentation
    if said is not None:
        known = {one if isinstance(one, int) else one.status for one in said.problems}
        limited = guard.scopes or (guard.ambient and route.method not in _SAFE)
        added = tuple(sorted({401, 503, *({403} if limited else ())} - known))
        said = replace(said, security=guard.security, problems=(*said.problems, *added))
    varies = tuple(sorted({*route.varies, guard.header.decode()}))
    subject = partial(_subject, guarding)
    return replace(route, handle=handle, documentation=said, varies=varies, subject=subject, repeats=None)


def _subject(guarding: Guarding, scope: Scope) -> str:
    return guarding.subject(scope["headers"])


def private(fields: Headers) -> Headers:
    """Return fields of an answer that no shared cache keeps (RFC 9111 5.2.2.7), whichever field it obeys."""
    fields = tuple(field for field in fields if not _is_targeted(field[0]))
    said = b",".join(text for name, text in fields if name == b"cache-control")
    # With fields in quotes, `private` speaks of these alone.
    if not _CLOSED.isdisjoint(one.strip().lower() for one in _QUOTED.sub(b'""', said).split(b",")):
        return fields
    kept = [one.strip() for one in said.split(b",") if one.strip() and not _SHARED.fullmatch(one)]
    others = tuple(field for field in fields if field[0] != b"cache-control")
    return (*others, (b"cache-control", b", ".join([b"private", *kept])))


def _is_targeted(name: bytes) -> bool:
    return name in _TARGETED or name.endswith(b"-cache-control")
