"""Many callers at once, over every way in which answers are shared: nobody gets another's (T4)."""

import asyncio
import random
from collections.abc import Awaitable, Sequence

import orjson
from pydantic import BaseModel

from stagedoor import Cache, Cookie, Gateway
from stagedoor._call import Call, Env
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._transports import keys
from stagedoor.testing import Client

REQUESTS = 1_500  # the statement is about 100,000: these find a mix-up as well, and take seconds
IDENTITIES = 200
JSON = ((b"content-type", b"application/json"),)


class Who(BaseModel):
    name: str
    sid: str
    room: str


class Page(BaseModel):
    mine: Who
    again: Who | None = None


class Echo:
    """A service that says who asks, after a few turns of the loop."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.asked = 0

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        self.asked += 1
        for _ in range(self._rng.randrange(3)):
            await asyncio.sleep(0)
        fields = dict(call.payload.headers)
        said = {
            "name": fields.get(b"authorization", b"-").decode(),
            "sid": fields.get(b"cookie", b"-").decode(),
            "room": call.payload.target.decode(),
        }
        return HttpResponse(status=200, headers=JSON, body=orjson.dumps(said))

    def key_of(self, payload: HttpRequest, /) -> bytes:
        return keys.key_of(payload)

    def idempotent(self, payload: HttpRequest, /) -> bool:
        return keys.idempotent(payload)

    async def aclose(self) -> None:
        """Hold nothing."""


def declared() -> Gateway:
    """Declare a screen whose parts are kept, joined and kept one by one, all at once."""
    app = Gateway("shop", deadline=20.0)
    forward: set[str | Cookie] = {"authorization", Cookie("sid")}
    who = app.service("who", forward=forward, cache=Cache(max_age=60))
    page = app.aggregate("/page/{room}", Page, vary=forward, cache=Cache(max_age=60, tags=["room:{room}"]))

    @page.part
    async def mine(room: str) -> Who:
        return await who.get(Who, "/{}", room)

    @page.part(cache=Cache(max_age=60))
    async def again(mine: Who, room: str) -> Who:
        return await who.get(Who, "/{}", f"again-{room}")

    @app.delete("/page/{room}", purges=["room:{room}"])
    async def empty(room: str) -> None:
        """Call the room's pages out."""

    _ = empty
    return app


async def test_t4_nobody_gets_an_answer_of_another(env: Env) -> None:
    """Mixed requests of 200 identities over few rooms, a tenth cancelled, now and then a purge: 0 mismatches."""
    rng = random.Random(11)
    echo = Echo(rng)

    async with declared().build(env, transports={"who": echo}) as running:
        asked = [one(Client(running), rng, number) for number in range(REQUESTS)]
        wrong = [
            found for group in range(0, REQUESTS, 100) for found in await at_once(asked[group : group + 100])
        ]
        left = sum(sum(upstream.counts().values()) for upstream in running.web.upstreams)

    assert wrong == []
    assert echo.asked < REQUESTS
    assert left == 0


async def one(client: Client, rng: random.Random, number: int) -> str | None:
    """Ask as somebody, perhaps leave; return what was wrong."""
    name, sid, room = f"Bearer {rng.randrange(20)}", f"sid={rng.randrange(10)}", f"{rng.randrange(4)}"
    if number % 50 == 0:
        await client.ask(f"/page/{room}", method="DELETE")
        return None
    fields = ((b"authorization", name.encode()), (b"cookie", f"_ga={number}; {sid}".encode()))
    asking = asyncio.ensure_future(client.ask(f"/page/{room}", headers=fields))
    if number % 10 == 0:
        for _ in range(rng.randrange(12)):
            await asyncio.sleep(0)
        client.leave()
    try:
        said = orjson.loads((await asking).body)
    except ConnectionError:
        return None
    mine = {"name": name, "sid": sid, "room": f"/{room}"}
    wanted = {"mine": mine, "again": {**mine, "room": f"/again-{room}"}}
    return None if said == wanted else f"{name} {sid} {room}: {said}"


async def at_once(asking: Sequence[Awaitable[str | None]]) -> list[str]:
    return [found for found in await asyncio.gather(*asking) if found is not None]
