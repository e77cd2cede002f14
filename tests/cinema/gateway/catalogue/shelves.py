"""A catalogue of a few films."""

from typing import Any

import orjson

from tests.cinema.gateway.services import House


async def said(house: House, target: str) -> Any:
    answered = await house.client.ask(target)
    assert answered.status == 200, (target, answered.body)
    return orjson.loads(answered.body)


async def results(house: House, target: str) -> list[str]:
    """Return the ids of a list of the gateway dialect."""
    return [one["id"] for one in (await said(house, target))["results"]]
