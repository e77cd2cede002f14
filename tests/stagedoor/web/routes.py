"""A gateway of small routes."""

from typing import Any

import orjson

from stagedoor import _context as context
from stagedoor._call import Env
from stagedoor._context import RequestContext
from stagedoor._web.answer import WebAnswer, json
from stagedoor._web.gateway import GatewayApp
from stagedoor._web.request import Request
from stagedoor._web.routes import Handler, Route


class Seen:
    """A handler that remembers the context it ran in."""

    def __init__(self) -> None:
        self.contexts: list[RequestContext] = []

    async def __call__(self, _: Request) -> WebAnswer:
        self.contexts.append(context.current())
        return json({"ok": True})


def failing(error: BaseException) -> Handler:
    async def handle(_: Request) -> WebAnswer:
        raise error

    return handle


def gateway(env: Env, *routes: Route, **options: Any) -> GatewayApp:
    return GatewayApp(routes, env=env, name="test", **options)


def problem_in(body: bytes) -> dict[str, Any]:
    said: dict[str, Any] = orjson.loads(body)
    return said
