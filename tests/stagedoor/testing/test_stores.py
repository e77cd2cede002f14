"""The fake server: what is not already said by the contract of stores."""

from stagedoor._cache.tags import ALL, tag
from stagedoor.testing import ManualClock
from stagedoor.testing.stores import FakeServer


async def test_g4_the_log_is_bounded_as_that_of_the_real_server() -> None:
    """G4: names that are forgotten raise ALL."""
    server = FakeServer(ManualClock(), limit=3)
    for number in range(5):
        await server.purge([tag(str(number))], 0)
    invalidations = await server.partner().invalidations(1)

    assert set(dict(invalidations.purges)) == {ALL, tag("2"), tag("3"), tag("4")}
    assert repr(server) == "<FakeServer 0 entries, 4 purges>"
