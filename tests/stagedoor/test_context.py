"""The one ambient value."""

import asyncio

from stagedoor import _context as context
from stagedoor._context import RequestContext
from stagedoor._deadline import NEVER


def test_outside_a_request_nobody_asks_and_nothing_ends() -> None:
    """Work outside requests (start-up, refreshes) has a context that limits nothing and knows nobody."""
    outside = context.current()

    assert (outside.identity, outside.deadline, outside.forward) == ("", NEVER, ())
    assert (outside.attempt, outside.route_deadline) == (1, None)


def test_a_context_is_left_the_way_it_was_entered() -> None:
    """Nested contexts come back in order."""
    outer = context.enter(RequestContext(request_id="outer"))
    inner = context.enter(RequestContext(request_id="inner"))
    seen = [context.current().request_id]
    context.leave(inner)
    seen.append(context.current().request_id)
    context.leave(outer)
    seen.append(context.current().request_id)

    assert seen == ["inner", "outer", "-"]


async def test_requests_side_by_side_do_not_see_each_other() -> None:
    """A context belongs to its task and to those the task starts."""

    async def request(name: str) -> list[str]:
        context.enter(RequestContext(request_id=name))
        await asyncio.sleep(0)
        return [context.current().request_id, await asyncio.create_task(inside())]

    async def inside() -> str:
        return context.current().request_id

    first, second = await asyncio.gather(request("a"), request("b"))

    assert (first, second) == (["a", "a"], ["b", "b"])
    assert context.current().request_id == "-"


def test_each_context_has_a_record_of_its_own() -> None:
    """What one request did is no verdict on another."""
    first, second = RequestContext(), RequestContext()
    first.record.calls += 1

    assert (second.record.calls, second.record.hits, second.record.stale) == (0, 0, None)
