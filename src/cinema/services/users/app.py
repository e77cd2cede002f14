"""Answer who a customer is."""

from functools import partial

from fastapi import HTTPException, Request
from starlette.responses import Response

from cinema.database.tables import user
from cinema.services.answers import json_answer
from cinema.services.direct import PathRoute
from cinema.services.frame import open_frame
from cinema.services.identifiers import PathId
from cinema.services.paging import Limit, Offset, page_answer
from cinema.services.users import queries
from cinema.services.users.models import User
from cinema.settings import Settings
from stagedoor._observers.logs import LogStream
from stagedoor._web.middleware import RequestMiddleware

__all__ = ["build"]


def build(settings: Settings, *, stream: LogStream | None = None) -> RequestMiddleware:
    """Build the user service."""
    frame = open_frame(settings, stream, "user-service", "Customers and who they are", user)
    app, read = frame.app, frame.database.read

    @app.get("/users", response_model=list[User], summary="All users, in pages")
    async def list_users(request: Request, limit: Limit = 100, offset: Offset = 0) -> Response:
        return page_answer(request, await read(partial(queries.page, limit=limit, offset=offset)))

    async def get_user(user_id: PathId) -> Response:
        found = await read(partial(queries.find, user_id=user_id))
        if found is None:
            raise HTTPException(404, "user not found")
        return json_answer(found)

    # `:path` because an id may hold an encoded slash; it never reaches another route.
    app.router.add_api_route(
        "/users/{user_id:path}",
        get_user,
        response_model=User,
        summary="One user",
        methods=["GET"],
        route_class_override=PathRoute,
    )
    return frame.finish()
