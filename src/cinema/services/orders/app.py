"""Answer what a customer has ordered."""

from functools import partial

from fastapi import Request
from starlette.responses import Response

from cinema.database.tables import order
from cinema.services.answers import json_answer
from cinema.services.direct import PathRoute
from cinema.services.frame import open_frame
from cinema.services.identifiers import PathId
from cinema.services.orders import queries
from cinema.services.orders.models import Order
from cinema.services.paging import Limit, Offset, page_answer
from cinema.settings import Settings
from stagedoor._observers.logs import LogStream
from stagedoor._web.middleware import RequestMiddleware

__all__ = ["build"]


def build(settings: Settings, *, stream: LogStream | None = None) -> RequestMiddleware:
    """Build the order service."""
    frame = open_frame(settings, stream, "order-service", "Orders and what is in them", order)
    app, read = frame.app, frame.database.read

    @app.get("/orders", response_model=list[Order], summary="All orders, in pages")
    async def list_orders(request: Request, limit: Limit = 100, offset: Offset = 0) -> Response:
        return page_answer(request, await read(partial(queries.page, limit=limit, offset=offset)))

    async def orders_of_user(user_id: PathId) -> Response:
        return json_answer(await read(partial(queries.of_user, user_id=user_id)))

    # `:path` because an id may hold an encoded slash; it never reaches another route.
    app.router.add_api_route(
        "/orders/user/{user_id:path}",
        orders_of_user,
        response_model=list[Order],
        summary="The orders of one user",
        methods=["GET"],
        route_class_override=PathRoute,
    )
    return frame.finish()
