"""Who may come in: tokens, keys, typed claims.

Settings: CLUB_MEMBERS_JWKS_URL, CLUB_MEMBERS_AUDIENCE, CLUB_PARTNERS_KEYS_FILE.
"""

from typing import Annotated

from pydantic import BaseModel

from stagedoor import ApiKeys, Cache, Gateway, Jwt


class Member(BaseModel):
    sub: str
    plan: str = "basic"


class Ticket(BaseModel):
    title: str
    seat: int


class Club(BaseModel):
    tickets: list[Ticket] = []
    plan: str = "basic"


members = Jwt("members", claims=Member, scopes={"club:read"})
partners = ApiKeys("partners")

app = Gateway("club", deadline=0.3)
bookings = app.service("bookings", headers={"x-service": "club"})  # the member's token is not sent on

# The guard's subject identifies the answer: no `vary` is needed, and one member never sees another's.
club = app.aggregate("/club", Club, guard=members, cache=Cache(max_age=5, tags=["club"]))


@club.part
async def tickets(member: Annotated[Member, members]) -> list[Ticket]:
    return await bookings.get(list[Ticket], "/bookings/{}", member.sub)


@club.part
async def plan(member: Annotated[Member, members]) -> str:
    return member.plan


@app.get("/open")  # no guard: public
async def opening() -> dict[str, str]:
    return {"opens": "19:00"}


@app.post("/partners/bookings", guard=partners, status=201, purges=["club"])
async def book(ticket: Ticket) -> None:
    await bookings.post(None, "/bookings", json=ticket)
