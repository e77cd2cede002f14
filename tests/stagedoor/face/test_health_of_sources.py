"""What /health says of sources of one's own."""

import json

from stagedoor import Gateway
from stagedoor.testing import Stage

app = Gateway("ledgers")


@app.source(safe=True)
async def ledger(account_id: str) -> list[int]:
    """Return the entries of an account."""
    raise NotImplementedError


@app.get("/entries/{account_id}")
async def entries(account_id: str) -> list[int]:
    """Return the entries of an account."""
    return await ledger(account_id)


async def component(stage: Stage) -> dict[str, str]:
    said: dict[str, dict[str, dict[str, str]]] = json.loads((await stage.get("/health")).body)
    return said["components"]["ledger"]


async def test_a_source_is_as_healthy_as_its_breaker(stage: type[Stage]) -> None:
    """Only its users know how to ask it, so its breaker tells how it fared of late."""
    async with stage(app) as it:
        it[ledger].says([1])
        assert (await it.get("/entries/1")).read(list[int]) == [1]
        assert (await component(it))["status"] == "healthy"


async def test_a_source_whose_breaker_is_open_is_unhealthy(stage: type[Stage]) -> None:
    """And the door says so while it is asked no more."""
    async with stage(app) as it:
        it[ledger].fails()
        for _ in range(20):
            assert (await it.get("/entries/1")).status == 503
        assert (await component(it))["status"] == "unhealthy"
