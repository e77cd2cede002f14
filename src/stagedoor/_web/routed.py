"""A request and the route that was found for it."""

from stagedoor._asgi import Receive, Scope, Send
from stagedoor._requests import Headers
from stagedoor._web.access import ActiveRequest
from stagedoor._web.etags import CONDITIONS, asked_by_own
from stagedoor._web.request import Request
from stagedoor._web.routes import RouteMatch

__all__ = ["RoutedRequest", "figure_of"]

_LONGEST_FIGURE = 9


class RoutedRequest(ActiveRequest):
    """A request and the route that was found for it."""

    __slots__ = ("_request", "fields", "match")

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, match: RouteMatch, started: float, entropy: bytes
    ) -> None:
        ActiveRequest.__init__(self, scope, receive, send, match.route.path, started, entropy)
        self.match = match
        self.fields: Headers = ()  # of the answer, whatever it will be
        self._request: Request | None = None

    def request(self) -> Request:
        """Return the request as a handler sees it."""
        if self._request is None:
            params, raw = self.match.params(), self.match.raw()
            self._request = Request(self.scope, self.receive, params, self.headers, self.request_id, raw)
        return self._request

    def name_own_tags(self) -> None:
        """Let the conditions of a write name tags as services and handlers know them, not those of coded forms."""
        if self.match.route.compress is False or CONDITIONS.isdisjoint(self.headers):
            return
        fields = asked_by_own(self.scope["headers"], None)
        if fields is not self.scope["headers"]:
            self.scope, self.headers = {**self.scope, "headers": fields}, dict(fields)


def figure_of(raw: bytes | None) -> int | None:
    """Read a whole number above zero; junk is ignored."""
    if raw is None or len(raw) > _LONGEST_FIGURE or not raw.isdigit():
        return None
    return int(raw) or None
