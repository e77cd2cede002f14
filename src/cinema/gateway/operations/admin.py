"""What operators may do to a gateway at work, with their key only: drop what is kept, hold a breaker."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from cinema.gateway.access import operators
from cinema.settings import Settings
from stagedoor import Gateway, NotFound, Running

__all__ = ["declare_admin"]

Tag = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x20\x7f]+$")]


class Purge(BaseModel):
    """Tags as in `film:<id>`, `genre:<id>`, `person:<id>`, `films`, `genres`, `persons`."""

    tags: Annotated[list[Tag], Field(min_length=1, max_length=1_000, examples=[["films"]])]


class BreakerHeld(BaseModel):
    """How a breaker shall stand: held open or closed, or by itself again."""

    state: Literal["open", "closed", "auto"]


class BreakerTold(BreakerHeld):
    """How the breaker of a service stands from now on, in this process."""

    service: str


def declare_admin(app: Gateway, settings: Settings) -> None:
    """Declare the admin routes where there is a key for them; without one they are not there (404)."""
    guard = operators(settings)
    if guard is None:
        return

    @app.post("/admin/purge", guard=guard)
    async def purge(running: Running, asked: Purge) -> None:
        """Drop every answer that is kept under one of these tags, in all processes."""
        await running.purge_tags(asked.tags)

    @app.put("/admin/breakers/{service}", guard=guard)
    async def hold(running: Running, service: str, asked: BreakerHeld) -> BreakerTold:
        """Hold the breaker of a service open or closed, or let it go by itself again."""
        try:
            running.hold_breaker(service, asked.state)
        except KeyError:
            raise NotFound(f"there is no service {service!r}") from None
        return BreakerTold(service=service, state=asked.state)
