"""Put together what tells who asks by a bearer token: the only entrance to what needs the extra `auth`."""

from stagedoor._clock import Clock
from stagedoor._guards.claims import TokenRules
from stagedoor._guards.fetching import Fetching
from stagedoor._guards.jwks import PublishedKeys
from stagedoor._guards.keys import shared
from stagedoor._guards.settings import JwtSettings
from stagedoor._guards.tokens import FixedKeys, KeySource, Tokens

__all__ = ["tokens"]


def tokens(name: str, said: JwtSettings, fetch: Fetching | None, clock: Clock) -> Tokens:
    """Return what reads tokens; `fetch` brings the document of published keys."""
    rules = TokenRules(
        algorithms=said.pinned,
        audience=frozenset(said.audience),
        issuer=said.issuer,
        leeway=said.leeway,
    )
    source: KeySource
    if fetch is None:
        source = FixedKeys(shared(said.secret, said.pinned))
    else:
        source = PublishedKeys(name, fetch, said.pinned, clock)
    return Tokens(source, rules, clock.wall)
