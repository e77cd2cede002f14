"""Where browsers log in and out: three routes of the gateway's own (draft-ietf-oauth-browser-based-apps 6.1.2)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from stagedoor import _problems as problems
from stagedoor._context import current
from stagedoor._guards.denials import Denied
from stagedoor._guards.sessions import cookies
from stagedoor._guards.sessions.addresses import is_local
from stagedoor._guards.sessions.browsers import Browsers
from stagedoor._guards.sessions.login import (
    LASTS,
    Login,
    authorization_url,
    begun,
    finished,
    login_of,
    logins_of,
    sealed,
    with_query,
)
from stagedoor._guards.sessions.origins import is_our_own
from stagedoor._guards.sessions.session import Session
from stagedoor._guards.sessions.store import StoreAway
from stagedoor._problems import ProblemDetails
from stagedoor._requests import Headers
from stagedoor._web.answer import WebAnswer, json
from stagedoor._web.request import Request
from stagedoor._web.routes import Documentation, RequestRefused, Route
from stagedoor.errors import UpstreamError

__all__ = ["Entrances"]

_SECONDS: Final = 10.0  # for what asks the provider
_TAG: Final = ("sessions",)
# The address of a callback holds a code: neither caches nor the next page's Referer shall have it (RFC 9700 4.2.4).
_PRIVATE: Final[Headers] = (
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
)


class Entrances:
    """The routes of one guard below a path; `browsers` is None where only documents are served."""

    def __init__(self, path: str, browsers: Browsers | None) -> None:
        self._path = path
        self._browsers = browsers

    def routes(self) -> list[Route]:
        """Return the routes."""
        login = Documentation(
            summary="Log in",
            description="For a browser to be led to: it comes back, by way of the provider, to the path `return_to`.",
            tags=_TAG,
            status=303,
            problems=(400, 429, 503, 504),
        )
        callback = Documentation(
            summary="Come back from the provider",
            tags=_TAG,
            status=303,
            problems=(400, 403, 429, 502, 503, 504),
        )
        logout = Documentation(
            summary="Log out",
            description="Ends the session here and at the provider; asked with `Accept: application/json` it says "
            "where the browser shall go.",
            tags=_TAG,
            status=303,
            problems=(403, 429, 503),
            also=(200,),
        )
        made = (
            ("GET", "login", self.login, login),
            ("GET", "callback", self.callback, callback),
            ("POST", "logout", self.logout, logout),
        )
        return [
            Route(
                path=f"{self._path}/{word}",
                method=method,
                handle=handle,
                public=True,
                kind="session",
                deadline=_SECONDS,
                documentation=documentation,
            )
            for method, word, handle, documentation in made
        ]

    # --- the handlers --------------------------------------------------------------------------------------

    async def login(self, request: Request) -> WebAnswer:
        """Send a browser to the provider, with all that it has to bring back."""
        browsers = self._ready(request)
        back = self._back(browsers, request.query)
        try:
            metadata = await browsers.metadata()
        except UpstreamError as error:
            raise RequestRefused(problems.problem_of(error)) from error
        now = browsers.clock.wall()
        login = begun(back, now)
        address = authorization_url(
            metadata,
            login,
            client_id=browsers.said.client_id,
            redirect_uri=self._redirect_uri(browsers),
            scopes=browsers.scopes,
        )
        return _sent(address, self._kept(browsers, [login, *self._logins(browsers, request)]))

    async def callback(self, request: Request) -> WebAnswer:
        """Take a browser back from the provider, under a new session."""
        browsers = self._ready(request)
        fields = request.all_headers()
        logins = self._logins(browsers, request)
        try:
            metadata = await browsers.metadata()
            returned = finished(request.query)
            login = login_of(returned, logins, metadata)
            left = self._kept(browsers, [one for one in logins if one is not login])
            if returned.refused:
                said = problems.forbidden("the provider did not log you in")
                raise RequestRefused(replace(said, fields=left))
            id_ = await browsers.began(login, returned.code, self._redirect_uri(browsers), current().deadline)
            await browsers.ended(fields)  # who logs in again has one session, not two
        except Denied as denied:
            raise RequestRefused(_told(denied)) from denied
        except StoreAway as away:
            raise RequestRefused(problems.sessions_unavailable()) from away
        except UpstreamError as error:
            raise RequestRefused(problems.problem_of(error)) from error
        session = cookies.set_cookie(browsers.cookie, id_.decode(), browsers.said.lifetime)
        return _sent(browsers.said.origin + login.back, (*left, session))

    async def logout(self, request: Request) -> WebAnswer:
        """End a session, here and at the provider (OpenID Connect RP-Initiated Logout 1.0)."""
        browsers = self._ready(request)
        fields = request.all_headers()
        if not is_our_own(fields, browsers.said.origin):
            raise RequestRefused(problems.forbidden("a page of another site asked for this"))
        try:
            session = await browsers.ended(fields)
        except StoreAway as away:
            raise RequestRefused(problems.sessions_unavailable("the session could not be ended")) from away
        address = f"{browsers.said.base_url}/"
        if session is not None:
            await browsers.revoke(session)
            address = await self._end_session(browsers, session) or address
        gone = (cookies.cleared(browsers.cookie),)
        if b"application/json" in request.headers.get(b"accept", b""):
            return json({"location": address}, headers=(*_PRIVATE, *gone))
        return _sent(address, gone)

    # --- what they share -----------------------------------------------------------------------------------

    def _ready(self, request: Request) -> Browsers:
        if request.method == "HEAD":  # it would begin or finish what nobody sees
            raise RequestRefused(problems.method_not_allowed("GET"))
        if self._browsers is None:
            raise RequestRefused(problems.docs_only())
        return self._browsers

    def _back(self, browsers: Browsers, query: bytes) -> str:
        """Return the path to come back to; raises `RequestRefused` for any other address."""
        try:
            said = parse_qsl(
                query.decode("ascii"), keep_blank_values=True, max_num_fields=10, errors="strict"
            )
        except ValueError:
            said = [("return_to", ""), ("return_to", "")]
        backs = [text for name, text in said if name == "return_to"]
        if not backs:
            return "/"
        if len(backs) > 1 or not is_local(backs[0]) or self._is_ours(browsers, backs[0]):
            raise RequestRefused(problems.bad_request("return_to must be a path of this site"))
        return backs[0]

    def _is_ours(self, browsers: Browsers, back: str) -> bool:
        """Tell whether a path is one of these routes: that would log in for ever."""
        own, path = urlsplit(browsers.said.base_url).path + self._path, urlsplit(back).path
        return path == own or path.startswith(f"{own}/")

    def _redirect_uri(self, browsers: Browsers) -> str:
        return f"{browsers.said.base_url}{self._path}/callback"

    def _logins(self, browsers: Browsers, request: Request) -> list[Login]:
        try:
            value = cookies.found(request.all_headers(), browsers.login_cookie)
        except ValueError:
            return []
        return logins_of(value, browsers.seal, browsers.cookie, browsers.clock.wall())

    def _kept(self, browsers: Browsers, logins: list[Login]) -> Headers:
        """Return the field that sets the cookie of the logins that are on their way."""
        name = browsers.login_cookie
        value = sealed(logins, browsers.seal, browsers.cookie)
        return (cookies.set_cookie(name, value, LASTS) if value else cookies.cleared(name),)

    async def _end_session(self, browsers: Browsers, session: Session) -> str:
        """Return where the provider ends its own session; "" where it has no such place, or cannot be asked."""
        try:
            metadata = await browsers.metadata()
        except UpstreamError:
            return ""
        if not metadata.end_session:
            return ""
        asked: Mapping[str, str] = {
            "id_token_hint": session.id_token,
            "client_id": browsers.said.client_id,
            "post_logout_redirect_uri": f"{browsers.said.base_url}/",
        }
        return with_query(metadata.end_session, asked)


def _sent(address: str, fields: Headers) -> WebAnswer:
    """Return an answer that sends a browser somewhere, by GET whatever it asked with (RFC 9700 4.12)."""
    return WebAnswer(303, ((b"location", address.encode()), *_PRIVATE, *fields))


def _told(denied: Denied) -> ProblemDetails:
    if denied.reason == "unready":
        return problems.upstream_unavailable()
    return problems.bad_request(denied.why)
