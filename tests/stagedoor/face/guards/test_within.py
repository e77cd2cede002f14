"""A guarded screen within a guarded answer that is kept: nothing goes round what the inner one asks for."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from stagedoor import Cache, Gateway, Jwt
from stagedoor.errors import ConfigError
from stagedoor.testing import Stage
from tests.stagedoor.face.guards.tokens import SECRET, START, signed_with

ENVIRONMENT = {"CLUB_MEMBERS_SECRET": SECRET}


class Member(BaseModel):
    """The claims of a token."""

    sub: str
    plan: str = "basic"


class Books(BaseModel):
    """What the club owes, and what it was told of the member."""

    debts: int = 0


class Card(BaseModel):
    """What a member's card says."""

    plan: str = ""


class Desk(BaseModel):
    """A card, and who has it."""

    shown: str = ""
    name: str = ""


members = Jwt("members", claims=Member)
treasurers = Jwt("members", scopes={"books"})

app = Gateway("club", deadline=1)
books = app.aggregate("", Books, guard=treasurers)
card = app.aggregate("", Card, guard=members)


@books.part
async def debts() -> int:
    """Return what is owed."""
    return 7


@card.part
async def plan(member: Annotated[Member, members]) -> str:
    """Return what a member pays for."""
    return member.plan


desk = app.aggregate("/desk", Desk, guard=members)


@desk.part(cache=Cache(max_age=60))
async def shown() -> str:
    """Return what the card says."""
    return (await card.run()).value.plan


@desk.part
async def name(member: Annotated[Member, members]) -> str:
    """Return who it is."""
    return member.sub


@app.get("/debts", guard=members, cache=Cache(max_age=60))
async def owed() -> int:
    """Tell a treasurer what is owed."""
    return (await books.run()).value.debts


@app.get("/plan", cache=Cache(max_age=60))
async def paid(member: Annotated[Member, members]) -> str:
    """Tell what the member who asks pays for."""
    return (await card.run()).value.plan


@app.get("/plan/raw", cache=Cache(max_age=60))
async def paid_raw(claims: Annotated[dict[str, Any], members]) -> str:
    """Tell the same by all claims."""
    return (await card.run()).value.plan


@app.get("/plan/unread", guard=members, cache=Cache(max_age=60))
async def unread() -> str:
    """Tell the same without claims of its own."""
    return (await card.run()).value.plan


def _token(**claims: object) -> dict[str, str]:
    said = {"sub": "ann", "exp": START + 300, **claims}
    return {"authorization": f"Bearer {signed_with(SECRET.encode(), {'alg': 'HS256'}, said)}"}


async def test_t4_a_kept_answer_gives_no_token_what_its_scopes_do_not_permit() -> None:
    """T4: one subject has tokens of different scopes, and the screen within asks for one that the route does not."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        answers = [
            await stage.get("/debts", **_token(scope=scope))
            for scope in ("books", "", "other", "other books", "books")
        ]

        assert [one.status for one in answers] == [200, 403, 403, 200, 200]
        assert answers[-1].header("cache-status").startswith("stagedoor; hit")
        assert 'scope="books"' in answers[1].header("www-authenticate")


async def test_t4_a_kept_answer_is_that_of_the_claims_of_the_screen_within() -> None:
    """T4: claims that the route takes too are part of its key."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        for path in ("/plan", "/plan/raw"):
            plans = [
                (await stage.get(path, **_token(plan=one))).read(str) for one in ("gold", "basic", "gold")
            ]

            assert plans == ["gold", "basic", "gold"]


async def test_t4_a_kept_part_is_that_of_the_claims_of_the_screen_that_it_runs() -> None:
    """T4: the part is not told of them, and what it is made of depends on them."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        plans = [
            (await stage.get("/desk", **_token(plan=one))).read(Desk).shown
            for one in ("gold", "basic", "gold")
        ]

        assert plans == ["gold", "basic", "gold"]


async def test_t4_claims_of_a_screen_within_have_to_be_read_by_the_answer_too() -> None:
    """T4: a handler whose key does not hold them would hand the answer of one token to another."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        with pytest.raises(
            ConfigError, match=r"take them here too, as in claims: Annotated\[Member, members\]"
        ):
            await stage.get("/plan/unread", **_token(plan="gold"))
