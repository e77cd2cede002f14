"""How answers are kept: lifetimes, tags, and the tags that are found while an answer is made."""

import math
from collections.abc import Mapping, Sequence
from typing import Final, LiteralString

from stagedoor._face.caller import caller_here
from stagedoor._face.templates import key_tag, named_tag, tag_of
from stagedoor.errors import ConfigError

__all__ = ["Cache", "tag"]


UNNAMED: Final = (
    "Cache(key=...) is for screens and handlers of values: calls, parts, sources and streams are kept by "
    "all that they are asked"
)


class Cache:
    """Keep answers: lifetimes in seconds (RFC 9111, RFC 5861), and the tags that drop them.

    `max_age` is how long an answer is fresh; `stale_while_revalidate` and `stale_if_error` how long past that it may
    stand in, while a new one is fetched or when that fails. Tags may name inputs, as in `home:{account_id}`, whose
    values are escaped; parts may add tags of their values with `tag()`. `key` replaces the key by a readable one that
    names inputs in the same way; what identifies the caller stays part of it. `private` keeps
    caches between here and the client from keeping it, also where nothing of the caller identifies it: the path may
    name a person.

    `renew_after` is the age in seconds from which an answer that is used is renewed in the background, before it ends;
    until then all processes that share a Redis show this one. With `from_start` age counts from when asking began, not
    from the answer: nothing is shown that was true longer than `max_age` ago, however slow who was asked.

    Raises `ConfigError` for lifetimes that are none.
    """

    def __init__(
        self,
        *,
        max_age: float,
        stale_while_revalidate: float = 0.0,
        stale_if_error: float = 0.0,
        tags: Sequence[str] = (),
        key: str = "",
        private: bool = False,
        renew_after: float | None = None,
        from_start: bool = False,
    ) -> None:
        self.max_age = _seconds("max_age", max_age)
        self.stale_while_revalidate = _seconds("stale_while_revalidate", stale_while_revalidate)
        self.stale_if_error = _seconds("stale_if_error", stale_if_error)
        if not max_age > 0:
            raise ConfigError(f"Cache(max_age={max_age!r}): seconds above 0; without a cache leave it out")
        if renew_after is not None and not 0 < _seconds("renew_after", renew_after) < max_age:
            raise ConfigError(f"Cache(renew_after={renew_after!r}): seconds above 0 and below max_age")
        for name, flag in (("private", private), ("from_start", from_start)):
            if not isinstance(flag, bool):
                raise ConfigError(f"Cache({name}={flag!r}): True or False")
        self.renew_after = renew_after
        self.from_start = from_start
        if isinstance(tags, str):
            raise TypeError(f"Cache(tags={tags!r}): a list of tags, as in [{tags!r}]")
        self.tags = tuple(named_tag(text, "Cache(tags=...)") for text in tags)
        self.private = private
        self.key = key_tag(key, "Cache(key=...)") if key else None

    @property
    def names(self) -> frozenset[str]:
        """Return the inputs that tags and key name."""
        key = () if self.key is None else self.key.names
        return frozenset([*key, *(name for tag in self.tags for name in tag.names)])

    def key_of(self, values: Mapping[str, object]) -> str:
        """Return the readable key of these inputs; "" if none is declared."""
        return "" if self.key is None else self.key.named(values)

    def tagged(self, values: Mapping[str, object], where: str) -> tuple[str, ...]:
        """Return the tags of these inputs; raises `TypeError` for one that is not there, and says where."""
        if not self.tags:
            return ()
        missing = sorted(self.names - set(values))
        if missing:
            raise TypeError(
                f"{where}: Cache(tags=...) names {missing[0]!r}, which is no input here; there are "
                f"{', '.join(map(repr, values)) or 'none'}"
            )
        return tuple(tag.named(values) for tag in self.tags)

    def __repr__(self) -> str:
        return f"Cache(max_age={self.max_age:g})"


def tag(tag: LiteralString, *values: object) -> None:
    """Tag the answer that is being made: `tag("film:{}", film.id)`, values escaped as in `purges`.

    A value that is kept by itself, of a part or a source, bears it too, and so does all that is made of it. Does
    nothing where no answer is kept. Raises `RuntimeError` outside a request.
    """
    caller_here().tag(tag_of(tag).placed(values))


def _seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ConfigError(f"Cache({name}={value!r}): seconds, 0 or more and finite")
    return float(value)
