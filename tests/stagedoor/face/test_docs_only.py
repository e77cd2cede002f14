"""Where only documents are served: what a handler reaches through others of the kit's is shut with it."""

from pydantic import BaseModel

from stagedoor import Gateway, Settings
from stagedoor.testing import Client


class Counted(BaseModel):
    number: int


async def test_a_handler_that_runs_a_screen_serves_no_data_where_only_documents_are_served() -> None:
    """Contract 8: 503 `docs-only`, also where a screen stands between a handler and its services."""
    app = Gateway("shop", settings=Settings(docs_only=True))
    things = app.service("things", "http://127.0.0.1:9")
    hidden = app.aggregate("", Counted)

    @hidden.part
    async def number() -> int:
        return await things.get(int, "/number")

    @app.get("/number")
    async def shown() -> int:
        return (await hidden.run()).value.number

    async with app.build() as running:
        answer = await Client(running.web).ask("/number")

    assert answer.status == 503
    assert b"docs-only" in answer.body
