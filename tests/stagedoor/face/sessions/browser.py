"""A browser with a cookie jar, and a shop to visit, for tests of sessions."""

import json
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from pydantic import BaseModel

from stagedoor import Cache, Gateway, Running, Sessions
from stagedoor._call import Call, Env
from stagedoor._clock import Clock
from stagedoor._guards.sessions.store import MemorySessions
from stagedoor._observers.logs import LogStream
from stagedoor._requests import Headers, HttpRequest, HttpResponse
from stagedoor.testing import Client, Events, ManualClock
from tests.stagedoor.face.sessions.provider import CLIENT, SECRET, Provider

__all__ = ["BASE", "Browser", "Recorder", "Visited", "app", "environment", "opened", "orders", "store_of"]

BASE = "https://shop.example"
COOKIE, LOGIN = "__Host-web", "__Host-web.login"


class Member(BaseModel):
    sub: str
    plan: str = "basic"


class Home(BaseModel):
    greeting: str
    plan: str = "?"


sessions = Sessions("web", claims=Member)
admins = Sessions("web", claims=Member, scopes={"admin"})
app = Gateway("shop", deadline=2)
orders = app.service("orders", forward={sessions})
catalog = app.service("catalog")
legacy = app.service("legacy", forward={"cookie"})
app.proxy("/api/{rest:path}", orders, methods={"GET", "POST"}, guard=sessions)
app.proxy("/legacy/{name}", legacy)
app.proxy("/wall/{name}", legacy, guard=sessions, subject_field="x-subject")
home = app.aggregate("/home", Home, guard=sessions, cache=Cache(max_age=60))


@home.part
async def greeting(member: Annotated[Member, sessions]) -> str:
    return await catalog.get(str, "/greetings/{}", member.sub)


@home.part
async def plan(member: Annotated[Member, sessions]) -> str:
    return member.plan


@app.get("/me")
async def me(member: Annotated[Member, sessions]) -> Member:
    return member


@app.get("/orders", guard=sessions)
async def own_orders() -> list[str]:
    return await orders.get(list[str], "/orders")


@app.post("/orders", status=201)
async def order(subject: Annotated[str, sessions]) -> str:
    return subject


@app.get("/admin", guard=admins)
async def admin() -> str:
    return "admin"


@app.post("/both")
async def both() -> str:
    """Run a guarded screen without a guard of its own."""
    return (await home.run()).value.greeting


class Recorder:
    """A service that answers with a text, and remembers what it was sent."""

    def __init__(self, said: object = "hello") -> None:
        self.said = said
        self.seen: list[dict[str, str]] = []
        self.cookies: list[str] = []

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        self.seen.append({name.decode(): one.decode("latin-1") for name, one in call.payload.headers})
        said = call.payload.target.decode() if self.said is ... else self.said
        fields: Headers = tuple((b"set-cookie", one.encode()) for one in self.cookies)
        return HttpResponse(
            status=200,
            headers=(*fields, (b"content-type", b"application/json")),
            body=json.dumps(said).encode(),
        )

    def key_of(self, payload: HttpRequest, /) -> bytes:
        return payload.target + repr(sorted(payload.headers)).encode()

    def idempotent(self, payload: HttpRequest, /) -> bool:
        return payload.method == "GET"

    async def aclose(self) -> None:
        """Hold nothing."""


def environment(provider: Provider, **more: str) -> dict[str, str]:
    """Return the settings of a gateway that knows a provider."""
    said = {
        "ISSUER": provider.issuer,
        "CLIENT_ID": CLIENT,
        "CLIENT_SECRET": SECRET,
        "BASE_URL": BASE,
        **more,
    }
    return {f"SHOP_WEB_{name}": one for name, one in said.items()}


class Visited:
    """A gateway at work, what stands behind it, and its clock."""

    def __init__(self, running: Running, clock: Clock, services: Mapping[str, Recorder]) -> None:
        self.running = running
        self.clock = clock
        self.services = services
        self.events = Events()

    def browser(self, provider: Provider) -> "Browser":
        """Return a browser of somebody's, with no cookie yet."""
        return Browser(self.running, provider)

    async def advance(self, seconds: float) -> None:
        """Let time pass."""
        assert isinstance(self.clock, ManualClock)
        await self.clock.advance(seconds)


@asynccontextmanager
async def opened(
    provider: Provider,
    *,
    clock: Clock | None = None,
    variables: Mapping[str, str] | None = None,
    stream: LogStream | None = None,
    **more: str,
) -> AsyncIterator[Visited]:
    """Open the shop with a provider in process, unless that serves; a manual clock unless another is given."""
    served = provider.issuer.startswith("http://")
    manual = clock or ManualClock()
    if isinstance(manual, ManualClock):
        provider.wall = manual.wall
    services = {"orders": Recorder(["one"]), "catalog": Recorder(...), "legacy": Recorder()}
    transports: dict[str, Any] = dict(services) if served else {**services, "web.provider": provider}
    running = app.made(
        Env(manual, random.Random(1).random, Events()),
        transports=transports,
        environment={**environment(provider, **more), **(variables or {})},
        stream=stream,
        all_logs=stream is not None,
    )
    async with running.opened():
        yield Visited(running, manual, services)


def store_of(shop: Visited) -> MemorySessions:
    """Return where the sessions of a gateway lie, to look at it or to meddle with it."""
    found: Any = shop.running.guards._found["web"]  # noqa: SLF001 - nobody else may
    store: MemorySessions = found.store
    return store


class Answer:
    """What a browser got."""

    def __init__(self, response: HttpResponse) -> None:
        self.status = response.status
        self.body = response.body
        self.fields: Sequence[tuple[str, str]] = [
            (name.decode(), said.decode("latin-1")) for name, said in response.headers
        ]

    def header(self, name: str) -> str:
        """Return a field; "" if there is none."""
        return next((said for field, said in self.fields if field == name), "")

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)

    @property
    def cookies(self) -> list[str]:
        """Return what was said of cookies."""
        return [said for name, said in self.fields if name == "set-cookie"]

    def __repr__(self) -> str:
        return f"<Answer {self.status} {self.body[:300]!r}>"


def cookies_of(lines: Sequence[str]) -> dict[str, str]:
    """Return the values by their names."""
    return {name: value for name, _, value in (line.partition(";")[0].partition("=") for line in lines)}


class Browser:
    """Keeps cookies as a browser does, and says where a request comes from."""

    def __init__(self, running: Running, provider: Provider) -> None:
        self._client = Client(running)
        self.provider = provider
        self.jar: dict[str, str] = {}

    async def ask(
        self,
        target: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        site: str | None = "same-origin",
        cookies: bool = True,
    ) -> Answer:
        """Ask for a target; `site` is what the browser says of who asks, None says nothing."""
        fields = {name.replace("_", "-"): said for name, said in (headers or {}).items()}
        if site is not None:
            fields["sec-fetch-site"] = site
        if cookies and self.jar:
            fields["cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        lines: Headers = tuple((name.encode(), said.encode("latin-1")) for name, said in fields.items())
        answer = Answer(await self._client.ask(target, method=method, headers=lines))
        for name, value in cookies_of(answer.cookies).items():
            self.jar[name] = value
        self.jar = {name: value for name, value in self.jar.items() if value}
        return answer

    async def get(self, target: str, *, site: str | None = "same-origin", **headers: str) -> Answer:
        """Ask for a target."""
        return await self.ask(target, headers, site=site)

    async def post(self, target: str, **headers: str) -> Answer:
        """Post nothing to a target, from a page of the gateway's own."""
        return await self.ask(target, headers, method="POST")

    async def begin(self, subject: str, target: str = "/auth/login") -> str:
        """Begin to log in, and return the target that the provider leads back to."""
        sent = await self.get(target)
        assert sent.status == 303, sent
        back = self.provider.authorize(sent.header("location"), subject)
        return "/" + back.split("/", 3)[3]

    async def login(self, subject: str = "ann", target: str = "/auth/login") -> Answer:
        """Log in."""
        return await self.get(await self.begin(subject, target), site="cross-site")
