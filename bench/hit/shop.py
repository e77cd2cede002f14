"""Our target: a gateway whose answers are kept, with metrics and a line in the log for each."""

from bench.hit.bodies import BODIES
from stagedoor import Answer, Cache, Gateway

app = Gateway("shop")
_JSON = {"content-type": "application/json"}


@app.get("/small", cache=Cache(max_age=3600), etag=True)
async def small() -> Answer[bytes]:
    """Return the body of 1.9 kB."""
    return Answer(BODIES["small"], headers=_JSON)


@app.get("/large", cache=Cache(max_age=3600), etag=True)
async def large() -> Answer[bytes]:
    """Return the body of 35 kB."""
    return Answer(BODIES["large"], headers=_JSON)
