"""A gateway whose answers say whose they are, in every way in which answers are kept or shared: see `identities`."""

from typing import Annotated

from pydantic import BaseModel

from stagedoor import ApiKeys, Cache, Cookie, Gateway, Jwt

LASTS = 2.0  # seconds: kept long enough to be shared, and asked for again all the time


class Who(BaseModel):
    """What the service saw of whoever asked."""

    token: str
    sid: str
    path: str


class Page(BaseModel):
    """A screen of two calls, the second kept by itself."""

    mine: Who
    again: Who | None = None


class Club(BaseModel):
    """A screen behind a guard."""

    seen: Who
    owner: str


class Named(BaseModel):
    """Who has a key, and what was asked."""

    name: str
    room: str


app = Gateway("owners", deadline=3.0)
forward: set[str | Cookie] = {"authorization", Cookie("sid")}
who = app.service("who", forward=forward, cache=Cache(max_age=LASTS))
plain = app.service("plain")
members = Jwt("members")
partners = ApiKeys("partners")

page = app.aggregate("/page/{room}", Page, vary=forward, cache=Cache(max_age=LASTS, tags=["room:{room}"]))
club = app.aggregate("/club/{room}", Club, guard=members, cache=Cache(max_age=LASTS, tags=["room:{room}"]))


@page.part
async def mine(room: str) -> Who:
    return await who.get(Who, "/{}", room)


@page.part(cache=Cache(max_age=LASTS))
async def again(mine: Who, room: str) -> Who:
    return await who.get(Who, "/{}", f"again-{room}")


@club.part
async def seen(me: Annotated[str, members], room: str) -> Who:
    return await plain.get(Who, "/{}/{}", room, me)


@club.part
async def owner(me: Annotated[str, members]) -> str:
    return me


@app.get("/partner/{room}", guard=partners, cache=Cache(max_age=LASTS), etag=True)
async def partner(name: Annotated[str, partners], room: str) -> Named:
    return Named(name=name, room=room)


@app.get("/open/{room}", cache=Cache(max_age=LASTS, tags=["room:{room}"]), etag=True)
async def opened(room: str) -> Who:
    return await plain.get(Who, "/{}", room)


@app.delete("/page/{room}", purges=["room:{room}"])
async def empty(room: str) -> None:
    """Call the room's pages out."""


app.proxy("/pass/{room}", who)
