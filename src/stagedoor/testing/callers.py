"""Who is calling, in a test: credentials that a guard believes because the test says so."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from stagedoor._deadline import DueTime
from stagedoor._face.guards import Guard
from stagedoor._face.sessions import Sessions
from stagedoor._guards.denials import Denied
from stagedoor._guards.sessions.cookies import cookie_name
from stagedoor._guards.visitors import Authenticator, Known
from stagedoor._requests import Headers

__all__ = ["Callers"]


class Callers:
    """The callers of one test, by their credentials."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bytes], Known] = {}

    def credentials(
        self, guard: Guard, subject: str, scopes: AbstractSet[str] | None, claims: Mapping[str, object]
    ) -> dict[str, str]:
        """Return the field that a caller brings; all scopes that the guard asks for unless others are given."""
        permitted = guard.scopes if scopes is None else frozenset(scopes)
        said = {"sub": subject, "scope": " ".join(sorted(permitted)), **claims}
        text = f"test-{len(self._known) + 1}"
        if guard.scheme == "Bearer":
            text = f"Bearer {text}"
        if isinstance(guard, Sessions):
            text = f"{cookie_name(guard.name)}={text}"
        known = Known(subject, str(claims.get("iss", "")), permitted, said, token=f"test-token-of-{subject}")
        self._known[guard.name, text.encode()] = known
        return {guard.header.decode().replace("-", "_"): text}

    def believed(self, name: str, inner: Authenticator | None) -> Authenticator:
        """Return what knows these callers, and asks the guard of the environment about all others."""
        return _Believing(name, self._known, inner)


class _Believing:
    def __init__(
        self, name: str, known: Mapping[tuple[str, bytes], Known], inner: Authenticator | None
    ) -> None:
        self._name = name
        self._known = known
        self._inner = inner

    async def authenticate(self, fields: Headers, deadline: DueTime) -> Known:
        for _, said in fields:
            found = self._known.get((self._name, said))
            if found is not None:
                return found
        if self._inner is not None:
            return await self._inner.authenticate(fields, deadline)
        raise Denied("missing", "nobody is known here: say **stage.credentials(guard, subject)")

    def subject(self, fields: Headers) -> str:
        for _, said in fields:
            found = self._known.get((self._name, said))
            if found is not None:
                return found.subject
        return "" if self._inner is None else self._inner.subject(fields)

    def permits(self, method: str, fields: Headers) -> bool:
        return self._inner is None or self._inner.permits(method, fields)

    def start(self) -> None:
        """Fetch nothing before the test has said what it would find."""

    async def aclose(self) -> None:
        if self._inner is not None:
            await self._inner.aclose()
