"""A gateway whose spans are kept, for tests that look at them."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel

from stagedoor import Gateway
from stagedoor import _context as context
from stagedoor._call import Call, Env
from stagedoor._observers.logs import LogStream
from stagedoor._observers.otel import OpenTelemetry
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor.policies import Hedge
from stagedoor.testing import Client, ManualClock, ScriptedTransport

__all__ = ["ANN", "CALLER", "JSON", "TIPS", "TRACE", "Shop", "serving", "shop"]

JSON = ((b"content-type", b"application/json"),)
ANN = HttpResponse(status=200, headers=JSON, body=b'"ann"')
TIPS = HttpResponse(status=200, headers=JSON, body=b'["b2"]')
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
Script = ScriptedTransport[HttpRequest, HttpResponse]


class Home(BaseModel):
    account: str
    tips: list[str] = []


def shop() -> Gateway:
    """Return a gateway with a screen of two parts, a broken handler and a passage."""
    app = Gateway("shop")
    accounts, recs = app.service("accounts"), app.service("recs")
    hedged = app.service("hedged", policies=[Hedge(delay=0.01)])
    home = app.aggregate("/home/{account_id}", Home)

    @home.part
    async def account(account_id: str) -> str:
        return await accounts.get(str, "/accounts/{}", account_id)

    @home.part
    async def tips(account: str) -> list[str]:
        return await recs.get(list[str], "/tips", query={"of": account})

    @app.get("/hedged")
    async def twice() -> str:
        return await hedged.get(str, "/slow")

    @app.get("/broken")
    async def broken() -> str:
        raise KeyError("secret")

    app.proxy("/raw/{rest:path}", accounts, to="/{rest}")
    return app


class Shop:
    """The shop at work, what its services are to answer, and its spans."""

    def __init__(
        self,
        clock: ManualClock,
        tracer: OpenTelemetry,
        memory: InMemorySpanExporter,
        log: LogStream | None,
    ) -> None:
        self.clock = clock
        self.tracer = tracer
        self._memory = memory
        names = ("accounts", "recs", "hedged")
        self.services: dict[str, Script] = {name: ScriptedTransport(clock) for name in names}
        self.sent: list[dict[bytes, bytes]] = []  # what goes on with each call, beside what the call says
        env = Env(clock, random.Random(1).random, lambda _: None, tracer)
        self.running = shop().made(env, transports=self.services, stream=log)

    def answers(self, service: str, answer: HttpResponse, seconds: float = 0.0) -> None:
        """Let a service answer its next call so, after so many seconds."""

        def noted(_: Call[HttpRequest]) -> HttpResponse:
            self.sent.append(dict(context.forwarded()))
            return answer

        self.services[service].does(noted, seconds)

    async def ask(self, path: str, flags: str = "", **fields: str) -> HttpResponse:
        """Ask, as part of a trace with these flags if there are any."""
        if flags:
            fields["traceparent"] = f"00-{TRACE}-{CALLER}-{flags}"
        headers = tuple((name.encode(), said.encode()) for name, said in fields.items())
        return await self.clock.run(Client(self.running.web).ask(path, headers=headers))

    async def spans(self) -> list[ReadableSpan]:
        """Send what is left; return all spans in the order in which they began."""
        await self.tracer.aclose()
        found = self._memory.get_finished_spans()
        return sorted(found, key=lambda span: (span.start_time or 0, span.kind.value))


@asynccontextmanager
async def serving(
    clock: ManualClock, *, propagates: bool = True, log: LogStream | None = None
) -> AsyncIterator[Shop]:
    """Serve the shop, its spans kept in memory; what its services answer is for the test to say."""
    memory = InMemorySpanExporter()
    tracer = OpenTelemetry([memory], "shop", "1", propagates=propagates)
    tracer.open()
    one = Shop(clock, tracer, memory, log)
    async with one.running.opened():
        yield one
