"""Routes that are open to all, and know who asks all the same: what a service shows may depend on it."""

from dataclasses import replace
from functools import partial

from stagedoor._asgi import Scope
from stagedoor._context import current
from stagedoor._face.caller import Caller, caller_here
from stagedoor._face.guarding import Guarding, Visitor, private
from stagedoor._guards.denials import Denied
from stagedoor._requests import Headers
from stagedoor._web.answer import WebAnswer
from stagedoor._web.request import Request
from stagedoor._web.routes import Route

__all__ = ["recognising", "subject_of"]


def recognising(route: Route, guarding: Guarding) -> Route:
    """Return a route that lets everybody in, and knows those whom the guard can name at once: nobody waits for it."""
    inner, header = route.handle, guarding.guard.header

    async def handle(request: Request) -> WebAnswer:
        caller = caller_here()
        caller.visitor = await _recognised(guarding, caller, request.method)
        answer = await inner(request)
        fields = answer.headers if caller.visitor is None else private(answer.headers)
        return replace(answer, headers=(*fields, (b"vary", header)), repeat=None)

    varies = tuple(sorted({*route.varies, header.decode()}))
    return replace(route, handle=handle, varies=varies, subject=partial(_subject, guarding))


async def _recognised(guarding: Guarding, caller: Caller, method: str) -> Visitor | None:
    if not guarding.subject(caller.brought):
        guarding.find_out(caller.brought, current().deadline)
        return None
    try:
        return await guarding.visitor(caller.brought, current().deadline, method)
    except Denied:
        return None


def _subject(guarding: Guarding, scope: Scope) -> str:
    return guarding.subject(scope["headers"])


def subject_of(caller: Caller, field: bytes) -> Headers:
    """Return the field by which a service learns who asks: a digest, one for each subject; none for strangers."""
    visitor = caller.visitor
    if not field or not isinstance(visitor, Visitor):
        return ()
    return ((field, visitor.subject.hex().encode()),)
