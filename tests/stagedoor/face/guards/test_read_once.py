"""A token is read once for the limit that counts it and the guard that lets it in."""

from jwt import PyJWK

from stagedoor._deadline import NEVER
from stagedoor._guards.claims import TokenRules
from stagedoor._guards.keys import shared
from stagedoor._guards.tokens import FixedKeys, Tokens
from tests.stagedoor.face.guards.tokens import CLAIMS, SECRET, START, signed_with

RULES = TokenRules(algorithms=frozenset({"HS256"}), audience=frozenset({"club"}), issuer=CLAIMS["iss"])


class Counted(FixedKeys):
    """Keys that count how often they are looked for, and used."""

    def __init__(self) -> None:
        super().__init__(shared(SECRET, frozenset({"HS256"})))
        self.looked = self.told = 0

    def held(self, kid: str | None, algorithm: str) -> list[PyJWK]:
        self.looked += 1
        return super().held(kid, algorithm)

    def used(self) -> bool:
        self.told += 1
        return True


def fields(subject: str) -> tuple[tuple[bytes, bytes], ...]:
    token = signed_with(SECRET.encode(), {"alg": "HS256"}, {**CLAIMS, "sub": subject})
    return ((b"authorization", f"Bearer {token}".encode()),)


async def test_the_guard_takes_what_the_limit_has_read() -> None:
    """Issue 14: reading it again costs as much again; keys that are old are renewed all the same."""
    keys = Counted()
    tokens, ann = Tokens(keys, RULES, lambda: START), fields("ann")
    counted = tokens.subject(ann)
    known = await tokens.authenticate(ann, NEVER)

    assert (counted, known.subject) == ("ann", "ann")
    assert (keys.looked, keys.told) == (1, 1)


async def test_it_takes_nothing_of_another_request() -> None:
    """T4: equal bytes of another request are read again; so is a request that asks twice."""
    keys = Counted()
    tokens, ann, bob = Tokens(keys, RULES, lambda: START), fields("ann"), fields("bob")
    tokens.subject(ann)
    first = await tokens.authenticate(bob, NEVER)
    tokens.subject(ann)
    second = await tokens.authenticate(fields("ann"), NEVER)
    third = await tokens.authenticate(ann, NEVER)

    assert [one.subject for one in (first, second, third)] == ["bob", "ann", "ann"]
    assert (keys.looked, keys.told) == (5, 0)
