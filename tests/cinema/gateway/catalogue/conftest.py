"""A gateway over a small catalogue in memory."""

import pytest

from stagedoor.testing import ManualClock
from tests.cinema.gateway.catalogue.films import FILMS, GENRES, PERSONS
from tests.cinema.gateway.services import House


@pytest.fixture
async def house(clock: ManualClock) -> House:
    """Give a gateway whose engine holds the sample films."""
    house = House(clock)
    await house.engine.fill(movies=FILMS, genres=GENRES, persons=PERSONS)
    return house
