"""What the tests of the near cache serve: a shop with kept answers of every kind."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any

from pydantic import BaseModel

from stagedoor import Answer, Cache, Cookie, Delivery, Gateway, Header, Stream
from stagedoor._requests import HttpResponse
from tests.stagedoor.face.test_streaming import FIELDS, PICTURE, Body, Files
from tests.stagedoor.near.doors import Behind, behind


class Shelf(BaseModel):
    label: str
    made: int


class Told(BaseModel):
    told_made: int
    summary: dict[str, Any]


def shop() -> Gateway:
    """Return a shop that tells with each answer how often it was made."""
    app, made = Gateway("shop"), Counter[str]()

    def count(name: str) -> int:
        made[name] += 1
        return made[name]

    _declare_plain(app, count)
    _declare_varied(app, count)
    _declare_screens(app, count)
    files = app.service("files")

    @app.get("/picture/{name}", cache=Cache(max_age=10, tags=["kept:{name}"]))
    async def picture(name: str) -> Stream:
        return await files.open("/{}", name)

    return app


def _declare_plain(app: Gateway, count: Callable[[str], int]) -> None:
    @app.get("/kept/{name}", cache=Cache(max_age=10, tags=["kept:{name}"]), etag=True)
    async def kept(name: str) -> dict[str, object]:
        return {"name": name, "made": count(name), "text": "x" * 1_500}

    @app.get("/asked", cache=Cache(max_age=10, stale_while_revalidate=10))
    async def asked(q: str = "") -> dict[str, object]:
        return {"q": q, "made": count("q" + q)}

    @app.get("/large", cache=Cache(max_age=10), etag=True)
    async def large() -> list[str]:
        return ["x" * 100] * 400

    @app.get("/asks", compress=True)
    async def asks() -> list[str]:
        return ["x" * 2_000]

    @app.get("/refuses", cache=Cache(max_age=10), compress=False)
    async def refuses() -> list[str]:
        return ["x" * 2_000]

    @app.get("/now")
    async def now() -> dict[str, int]:
        return {"made": count("now")}

    @app.post("/kept/{name}", purges=["kept:{name}"])
    async def change(name: str) -> dict[str, str]:
        return {"name": name}


def _declare_varied(app: Gateway, count: Callable[[str], int]) -> None:
    @app.get("/tongue", cache=Cache(max_age=10), vary={"accept-language"})
    async def tongue(accept_language: Annotated[str, Header()] = "") -> dict[str, object]:
        return {"tongue": accept_language, "made": count("t" + accept_language)}

    @app.get("/sid", cache=Cache(max_age=10))
    async def sid(sid: Annotated[str, Cookie("sid")] = "") -> dict[str, object]:
        return {"sid": sid, "made": count("s" + sid)}

    @app.get("/ahead", cache=Cache(max_age=10, renew_after=4))
    async def ahead() -> dict[str, object]:
        return {"made": count("ahead")}

    @app.get("/framed", cache=Cache(max_age=10))
    async def framed(name: str, said: str) -> Answer[list[str]]:
        answer = Answer(["x" * 1_996])
        answer.lines += ((name.encode(), said.encode()),)  # what it refuses to be told is added all the same
        return answer

    @app.get("/created", cache=Cache(max_age=10))
    async def created() -> Answer[dict[str, int]]:
        return Answer({"made": count("created")}, status=201)


def _declare_screens(app: Gateway, count: Callable[[str], int]) -> None:
    shelf = app.aggregate("/shelf/{place}", Shelf, cache=Cache(max_age=10, tags=["kept:{place}"]))

    @shelf.part
    async def label(place: str) -> str:
        return f"shelf {place}"

    @shelf.part
    async def made(place: str) -> int:
        return count("shelf" + place)

    told = app.aggregate("/told", Told, cache=Cache(max_age=10))

    @told.part
    async def told_made() -> int:
        return count("told")

    @told.summary
    def summary() -> dict[str, Any]:
        return {}

    @told.delivered
    def delivered(summary: dict[str, Any], delivery: Delivery) -> dict[str, Any]:
        return {**summary, "cached": delivery.cached}


def files() -> Files:
    """Return a service of pictures."""
    fields = (*FIELDS[:3], (b"cache-control", b"public, max-age=60"))
    return Files(lambda _: HttpResponse(status=200, headers=fields, stream=Body(PICTURE)))


def shopping(
    *, near: bool = True, environment: dict[str, str] | None = None
) -> AbstractAsyncContextManager[Behind]:
    """Open the shop behind a door."""
    return behind(shop, near=near, environment=environment, transports={"files": files()})
