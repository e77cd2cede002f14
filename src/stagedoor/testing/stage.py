"""A gateway with scripted services, on a clock that jumps: tests that are quick and come out the same each time.

async with Stage(app) as stage:
    stage[accounts].says({"id": "1"})
    stage[carts].fails()
    answer = await stage.get("/home/1", authorization="Bearer ann")
"""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack
from functools import wraps
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from pydantic import TypeAdapter

from stagedoor._call import Call, Env
from stagedoor._deadline import TimeoutScope
from stagedoor._face.declared import Source
from stagedoor._face.fields import Headers
from stagedoor._face.gateway import Gateway
from stagedoor._face.guards import Guard
from stagedoor._face.running import Running
from stagedoor._face.service import Service
from stagedoor._face.sessions import Sessions
from stagedoor._face.shapes import written
from stagedoor._face.sources import returned
from stagedoor._face.uses import SOURCE
from stagedoor._face.watching import Watch
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._transports import keys
from stagedoor._transports.statuses import refusal
from stagedoor._value import value
from stagedoor.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from stagedoor.testing.callers import Callers
from stagedoor.testing.client import Client
from stagedoor.testing.clock import ManualClock
from stagedoor.testing.events import Events

__all__ = ["Asked", "Reply", "Script", "Stage"]

T = TypeVar("T")
_NEVER: Final = 1e9  # seconds: longer than any deadline
_JSON: Final = (b"content-type", b"application/json")


class Asked:
    """One attempt that reached a service, as it was sent: method, path with its query, header fields, body."""

    __slots__ = ("body", "headers", "method", "path")

    def __init__(self, method: str, path: str, headers: Headers, body: bytes) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"<Asked {self.method} {self.path}>"


@value()
class _Word:
    """One thing that is said, and how much later."""

    seconds: float
    value: object = None
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()
    refused: bool = False


class Script:
    """What one service will say, attempt after attempt; the last word repeats."""

    def __init__(self) -> None:
        self._words: list[_Word] = []
        self._said = 0
        self._later = 0.0
        self._asked: list[Asked] = []
        self._paths: dict[tuple[str, str], Script] = {}

    def says(self, *values: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Self:
        """Answer with these values as JSON, one an attempt, bytes as they are; `headers` come with each."""
        fields = tuple((name.lower().encode(), _said(name, said)) for name, said in (headers or {}).items())
        for one in values or (None,):
            self._add(_Word(self._later, one, status, fields))
        return self

    def fails(self, status: int = 0) -> Self:
        """Refuse the connection, or answer with a status."""
        return self._add(_Word(self._later, None, status, (), refused=not status))

    def hangs(self) -> Self:
        """Never answer: the attempt ends by its time-out."""
        return self._add(_Word(_NEVER))

    def after(self, seconds: float) -> Self:
        """Let the next word come so much later."""
        self._later += seconds
        return self

    def when(self, path: str, method: str = "GET") -> "Script":
        """Begin a script of its own for one path; a query counts only where the path names one."""
        return self._paths.setdefault((method, path), Script())

    @property
    def asked(self) -> Sequence[Asked]:
        """What reached the service, attempt by attempt, those of single paths included."""
        return tuple(self._asked)

    def _add(self, word: _Word) -> Self:
        self._words.append(word)
        self._later = 0.0
        return self

    def hear(self, asked: Asked) -> "Script":
        """Note an attempt and return the script that answers it."""
        self._asked.append(asked)
        plain = asked.path.partition("?")[0]
        found = self._paths.get((asked.method, asked.path)) or self._paths.get((asked.method, plain))
        return self if found is None else found.hear(asked)

    def word(self) -> _Word | None:
        """Return the next word; None if there is none at all."""
        if not self._words:
            return None
        self._said += 1
        return self._words[min(self._said, len(self._words)) - 1]


class _Speaking:
    """The transport of a scripted service."""

    def __init__(self, name: str, stage: "Stage") -> None:
        self._name = name
        self._stage = stage
        self.script = Script()

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        request, clock = call.payload, self._stage.clock
        asked = Asked(
            request.method, request.target.decode(), Headers(request.headers), await _whole(request)
        )
        word = self.script.hear(asked).word()
        if word is None:
            raise self._stage.failed(
                f"the service {self._name!r} was asked {asked.method} {asked.path}", self._name
            )
        try:
            with TimeoutScope(clock, call.deadline):
                await clock.sleep(word.seconds)
        except TimeoutError as error:
            raise UpstreamTimeout(call.operation, retryable=True) from error
        if word.refused:
            raise UpstreamUnavailable(call.operation, "refused", retryable=True)
        typed = any(name == b"content-type" for name, _ in word.headers)
        fields = word.headers if typed else (_JSON, *word.headers)
        response = HttpResponse(status=word.status, headers=fields, body=_body(word))
        error_of = refusal(call.operation, response, clock.wall())
        if error_of is not None:
            raise error_of
        return response

    def key_of(self, payload: HttpRequest, /) -> bytes:
        return keys.key_of(payload)

    def idempotent(self, payload: HttpRequest, /) -> bool:
        return keys.idempotent(payload)

    async def aclose(self) -> None:
        """Hold nothing."""


async def _whole(request: HttpRequest) -> bytes:
    body = request.body
    return body if isinstance(body, bytes) else b"".join([chunk async for chunk in body])


def _body(word: _Word) -> bytes:
    if isinstance(word.value, bytes):
        return word.value
    nothing = word.value is None and (word.status in {204, 304} or word.status >= 400)
    return b"" if nothing else written(word.value)


class Reply:
    """What a client gets: `status`, `body`, header fields, and how each part of a screen came about."""

    __slots__ = ("_headers", "body", "status")

    def __init__(self, response: HttpResponse) -> None:
        self.status: int = response.status
        self.body: bytes = response.body
        self._headers = Headers(response.headers)

    @property
    def parts(self) -> Mapping[str, str]:
        """How each part of a screen came about, by its name: fresh, cached, stale, fallback or missing."""
        members = [one.partition("=") for one in self.header("stagedoor-parts").split(", ") if one]
        return {name: said.partition(";")[0] for name, _, said in members}

    def read(self, shape: type[T] | TypeAdapter[T]) -> T:
        """Read the body as a value of a type, as a client would; raises `ValidationError`."""
        adapter = shape if isinstance(shape, TypeAdapter) else TypeAdapter(shape)
        return adapter.validate_json(self.body, by_alias=True, by_name=True)

    def header(self, name: str) -> str:
        """Look a header field up, its lines joined; "" if there is none."""
        return self._headers.get(name, "")

    def __repr__(self) -> str:
        return f"<Reply {self.status} {self.body[:200]!r}>"


class Stage:
    """A gateway with scripted services on a clock that jumps to the next timer while a request waits.

    One seed, one outcome. The process's environment is not read: `environment` has the settings of a test, such as
    `{"SHOP_RATE_LIMIT": "2/60"}`. A service without a script fails the test by its name; so does a mistake in a part or
    handler, which a client would see as 500, and a call that blocks the event loop.
    """

    running: Running

    def __init__(self, app: Gateway, *, seed: int = 1, environment: Mapping[str, str] | None = None) -> None:
        self._environment = environment or {}
        self.clock = ManualClock()
        self.events = Events()
        self._app = app
        self._env = Env(self.clock, random.Random(seed).random, self.events)  # noqa: S311 - wanted: the same each time
        self._stack = AsyncExitStack()
        self._mistakes: list[BaseException] = []
        self._speaking: dict[str, _Speaking] = {}
        self._functions: dict[Source, Script] = {}
        self._watch = Watch()
        self._callers = Callers()

    async def __aenter__(self) -> Self:
        services = self._app.all_services()
        published = [f"{one.name}.{kind}" for one in self._app.all_guards() for kind in ("keys", "provider")]
        names = [*(one.name for one in services), *published]
        self._speaking = {name: _Speaking(name, self) for name in names}
        running = self._app.made(
            self._env,
            transports=self._speaking,
            environment=self._environment,
            functions=self._functions_of(),
            mistakes=self._mistakes.append,
            believed=self._callers.believed,
        )
        self.running = await self._stack.enter_async_context(running.opened())
        self._stack.enter_context(self._watch)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.clock.run(self._stack.aclose())

    def __getitem__(self, service: Service | Guard | Callable[..., Awaitable[object]]) -> Script:
        """Return the script of a service, a source, or where a guard's keys are published; of a provider for sessions.

        Raises `KeyError` for anything else.
        """
        if isinstance(service, Guard) and f"{service.name}.keys" in self._speaking:
            kind = "provider" if isinstance(service, Sessions) else "keys"
            return self._speaking[f"{service.name}.{kind}"].script
        if isinstance(service, Service) and service.name in self._speaking:
            return self._speaking[service.name].script
        source = getattr(service, SOURCE, None)
        if isinstance(source, Source):
            return self._functions.setdefault(source, Script())
        raise KeyError(f"{service!r} is no service or source of {self._app!r}")

    def credentials(
        self, guard: Guard, subject: str, *, scopes: AbstractSet[str] | None = None, **claims: object
    ) -> dict[str, str]:
        """Say who is calling: a header that the guard believes, with all scopes it asks for unless others are given.

        `await stage.get("/club", **stage.credentials(members, "ann", plan="gold"))`. Real tokens and keys count beside
        them, where `environment` has what the guard needs.
        """
        return self._callers.credentials(guard, subject, scopes, claims)

    async def get(self, target: str, **headers: str) -> Reply:
        """Ask for a target; headers by name, `_` for `-`."""
        return await self._ask("GET", target, b"", headers)

    async def post(self, target: str, json: object = None, **headers: str) -> Reply:
        """Post a value as JSON, nothing for None."""
        return await self._ask("POST", target, _sent(json), headers)

    async def put(self, target: str, json: object = None, **headers: str) -> Reply:
        """Put a value as JSON."""
        return await self._ask("PUT", target, _sent(json), headers)

    async def patch(self, target: str, json: object = None, **headers: str) -> Reply:
        """Patch with a value as JSON."""
        return await self._ask("PATCH", target, _sent(json), headers)

    async def delete(self, target: str, **headers: str) -> Reply:
        """Delete what a target names."""
        return await self._ask("DELETE", target, b"", headers)

    async def advance(self, seconds: float) -> None:
        """Move the clock on, letting everything run that is due."""
        await self.clock.advance(seconds)

    async def run(self, work: Awaitable[T]) -> T:
        """Wait for something of one's own while the clock jumps."""
        return await self.clock.run(work)

    def failed(self, what: str, name: str) -> AssertionError:
        """Return, and remember, the failure of a test that says nothing for a service."""
        mistake = AssertionError(f"{what}, and has no script: say stage[{name}].says(...)")
        self._mistakes.append(mistake)
        return mistake

    async def _ask(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        fields = [
            (name.replace("_", "-").lower().encode(), _said(name, said)) for name, said in headers.items()
        ]
        if body:
            fields += [(b"content-length", b"%d" % len(body))]
            if not any(name == b"content-type" for name, _ in fields):
                fields.append(_JSON)
        client = Client(self.running)
        response = await self.clock.run(client.ask(target, method=method, headers=tuple(fields), body=body))
        blocked = self._watch.blocked
        if blocked is not None:
            raise RuntimeError(blocked)
        if self._mistakes:
            mistakes, self._mistakes[:] = list(self._mistakes), []
            raise mistakes[0]
        return Reply(response)

    def _functions_of(self) -> Mapping[Source, Callable[..., Awaitable[Any]]]:
        return {source: self._spoken(source) for source in self._app.all_sources()}

    def _spoken(self, source: Source) -> Callable[..., Awaitable[Any]]:
        """Return what stands for a source: its script where it has one, else itself."""
        adapter: TypeAdapter[Any] = TypeAdapter(returned(source))

        @wraps(source.function)
        async def speak(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - as the source has them
            script = self._functions.get(source)
            if script is None:
                return await source.function(*given, **named)
            word = script.hear(Asked("CALL", source.name, Headers(()), written([given, named]))).word()
            if word is None:
                raise self.failed(f"the source {source.name!r} was called", source.name)
            await self.clock.sleep(word.seconds)
            if word.refused or word.status >= 400:
                raise _refused(source.name)
            return adapter.validate_python(word.value)

        return speak


def _refused(name: str) -> UpstreamError:
    return UpstreamUnavailable(f"{name}.call", "refused", retryable=True)


def _sent(json: object) -> bytes:
    return b"" if json is None else written(json)


def _said(name: str, value: object) -> bytes:
    """Return a field's value as it is sent; raises `TypeError` for one that is no text."""
    if not isinstance(value, str):
        raise TypeError(f"header {name!r} is {type(value).__name__}, not str")
    return value.encode("latin-1")
