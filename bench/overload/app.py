"""A gateway on the face with two services that have nothing to do with each other."""

from pydantic import BaseModel

from stagedoor import Gateway

app = Gateway("crowded", deadline=0.18)
one = app.service("one", "http://127.0.0.1:1", attempt=0.08)
two = app.service("two", "http://127.0.0.1:2", attempt=0.08)


class Thing(BaseModel):
    """What a service tells."""

    id: str


class First(BaseModel):
    """A thing of the first."""

    brought: Thing


class Second(BaseModel):
    """A thing of the second."""

    found: Thing


first = app.aggregate("/one/{thing_id}", First)
second = app.aggregate("/two/{thing_id}", Second)


@first.part
async def brought(thing_id: str) -> Thing:
    """Ask the first."""
    return await one.get(Thing, "/things/{}", thing_id)


@second.part
async def found(thing_id: str) -> Thing:
    """Ask the second."""
    return await two.get(Thing, "/things/{}", thing_id)
