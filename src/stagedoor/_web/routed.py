"""A request and the route that was found for it."""

from stagedoor._asgi import Receive, Scope, Send
from stagedoor._requests import Headers
from stagedoor._web.access import ActiveRequest
from stagedoor._web.request import Request
from stagedoor._web.routes import RouteMatch

__all__ = ["RoutedRequest", "figure_of"]

_LONGEST_FIGURE = 9


class RoutedRequest(ActiveRequest):
    """A request and the route that was found for it."""

    __slots__ = ("fields", "match")

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, match: RouteMatch, started: float, entropy: bytes
    ) -> None:
        ActiveRequest.__init__(self, scope, receive, send, match.route.path, started, entropy)
        self.match = match
        self.fields: Headers = ()  # of the answer, whatever it will be

    def request(self) -> Request:
        """Return the request as a handler sees it."""
        match = self.match
        return Request(self.scope, self.receive, match.params(), self.headers, self.request_id, match.raw())


def figure_of(raw: bytes | None) -> int | None:
    """Read a whole number above zero; junk is ignored."""
    if raw is None or len(raw) > _LONGEST_FIGURE or not raw.isdigit():
        return None
    return int(raw) or None
