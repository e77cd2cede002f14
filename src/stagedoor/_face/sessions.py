"""Sessions of browsers as they are declared: a guard that has three routes of its own."""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from pydantic import BaseModel

from stagedoor._call import Env, Transport
from stagedoor._face.guards import Fetch, Guard, validate_settings
from stagedoor._face.settings import Settings
from stagedoor._guards.sessions.cookies import cookie_name
from stagedoor._guards.sessions.settings import NEEDED, SESSIONS, SessionSettings, session_settings
from stagedoor._guards.visitors import Authenticator
from stagedoor._web.routes import Security
from stagedoor.errors import ConfigError

__all__ = ["Sessions"]

_PATH = re.compile(r"(/[a-z0-9_-]+)+")


class Sessions(Guard):
    """Sessions of browsers, which log in at an OpenID provider: SHOP_<NAME>_ISSUER, _CLIENT_ID, _CLIENT_SECRET, ...

    The gateway is the client and keeps the tokens (draft-ietf-oauth-browser-based-apps 6.1); a browser has a cookie
    `__Host-<name>` with an id that says nothing. Below `path` are `login`, to which a browser is led with `return_to`,
    `callback`, which the provider knows, and `logout`, to which it posts. `claims` is the model that the ID token's
    claims are read as; one that does not fit is 401. A session without all `scopes` is 403; they are asked for at the
    login. What changes something has to come from a page of the gateway's own origin, else it is 403. A service gets
    the access token only if its `forward` names these sessions. `settings` given here replace the environment. Needs
    the extra `auth`. Raises `ConfigError`.
    """

    scheme = "Cookie"
    ambient = True
    _rows = SESSIONS

    def __init__(
        self,
        name: str,
        *,
        claims: type[BaseModel] | None = None,
        scopes: AbstractSet[str] = frozenset(),
        path: str = "/auth",
        settings: SessionSettings | None = None,
    ) -> None:
        super().__init__(name, header="Cookie", claims=claims, scopes=scopes)
        given: object = path
        if not isinstance(given, str) or _PATH.fullmatch(given) is None:
            raise ConfigError(f"{self.place}: path={path!r} is a path such as '/auth', in lower case")
        self.path = path
        self.paths = (("GET", f"{path}/login"), ("GET", f"{path}/callback"), ("POST", f"{path}/logout"))
        validate_settings(settings, SessionSettings, self.place)
        self.settings = settings

    @property
    def given(self) -> object:
        return self.settings

    @property
    def security(self) -> Security:
        scheme = {"type": "apiKey", "in": "cookie", "name": cookie_name(self.name)}
        return Security(self.name, scheme, tuple(sorted(self.scopes)))

    def authenticator(
        self, env: Mapping[str, str], gateway: str, world: Env, fetch: Fetch
    ) -> Authenticator | None:
        raise NotImplementedError("sessions are built by what knows the store")

    def built(
        self,
        env: Mapping[str, str],
        gateway: str,
        world: Env,
        settings: Settings,
        transport: Transport[Any, Any] | None,
        scopes: AbstractSet[str],
    ) -> Authenticator | None:
        """Return what tells who asks; `scopes` are those of all guards of its name. Raises `ConfigError`."""
        prefix = self.prefix(gateway)
        said = self.settings or session_settings(env, prefix)
        if said is None:
            return None
        try:
            from stagedoor._guards.sessions.building import Surroundings, browsers  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ConfigError(
                f"{self.place}: the guard {self.name!r} needs PyJWT and cryptography: pip install stagedoor[auth]"
            ) from error
        around = Surroundings(
            gateway=gateway,
            clock=world.clock,
            redis_url=settings.redis_url,
            redis_prefix=settings.redis_prefix or gateway,
            transport=transport,
            key_setting=self._named("keys", f"{prefix}KEY"),
            store_setting=self._named("store", f"{prefix}STORE"),
        )
        return browsers(self.name, said, sorted(scopes), around)

    def _named(self, argument: str, variable: str) -> str:
        return variable if self.settings is None else f"{self.place}: SessionSettings({argument}=...)"

    def missing(self, gateway: str) -> str:
        prefix = self.prefix(gateway)
        return ", ".join(prefix + name for name in NEEDED)
