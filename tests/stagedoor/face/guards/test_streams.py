"""Handlers that hand on a stream stand behind guards as others do."""

from typing import Annotated

import pytest

from stagedoor import Cache, Gateway, Jwt, Stream
from stagedoor.errors import ConfigError
from stagedoor.testing import Stage

members = Jwt("members")
app = Gateway("streams")
files = app.service("files")


@app.get("/file")
async def file(name: Annotated[str, members]) -> Stream:
    return await files.open("/files/{}", name)


async def test_t19_a_stream_is_somebody_s() -> None:
    """T19: nobody is asked for a stream before the guard knows for whom."""
    async with Stage(app) as stage:
        stage[files].says(b"octets")
        refused = await stage.get("/file")
        asked = len(stage[files].asked)
        passed = await stage.get("/file", **stage.credentials(members, "ann"))

        assert (refused.status, asked) == (401, 0)
        assert (passed.status, passed.body) == (200, b"octets")
        assert stage[files].asked[0].path == "/files/ann"
        assert "private" in passed.header("cache-control")


def test_t4_a_kept_stream_has_no_guard() -> None:
    """T4: what is kept of a stream is the same for everybody."""
    one = Gateway("one")
    service = one.service("files")

    @one.get("/file", cache=Cache(max_age=9), guard=members)
    async def kept() -> Stream:
        return await service.open("/file")

    with pytest.raises(ConfigError, match="the same for everybody"):
        one.looked_at(reachable=False)
