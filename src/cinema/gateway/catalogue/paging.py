"""Pages of a list: which there are, and the links between them (RFC 8288)."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Final, TypeAlias
from urllib.parse import quote, urlencode

from stagedoor._requests import Headers
from stagedoor._value import value
from stagedoor.search.query import WINDOW

__all__ = ["Paging", "Pairs", "Part", "links"]

Pairs: TypeAlias = Sequence[tuple[str, str]]
Part: TypeAlias = tuple[int, int]  # offset, limit

# Clients refuse longer fields, and the parameters of one link may have 20 kB: what does not fit is left out.
_LONGEST: Final = 8_000
_RELATIONS: Final = ("next", "prev", "first", "last")


@value()
class Paging:
    """Where a page stands in its list. `offset` and `limit` count results."""

    offset: int
    limit: int
    total: int

    def parts(self) -> Mapping[str, Part]:
        """Return the related pages; none of them leaves the window or the data, or overlaps this one."""
        offset, limit = self.offset, self.limit
        reach = min(self.total, WINDOW)
        last = max(0, min(ceil(reach / limit) - 1, WINDOW // limit - 1)) * limit
        found = {"first": (0, limit)}
        if offset > last:
            found["prev"] = (last, min(limit, offset - last))
        elif offset > 0:
            before = max(0, offset - limit)
            found["prev"] = (before, offset - before)
        if offset + limit < self.total and offset + 2 * limit <= WINDOW:
            found["next"] = (offset + limit, limit)
        if self.total:
            found["last"] = (last, limit)
        return found


def links(path: str, given: Pairs, paging: Paging, page: Callable[[int, int], Pairs]) -> Headers:
    """Return the `Link` of a list; `given` are the parameters to keep, `page` spells those of a page."""
    kept = urlencode(given, quote_via=quote) + "&" if given else ""
    parts, said, left = paging.parts(), [], _LONGEST
    for name in _RELATIONS:
        if name in parts:
            where = "&".join([f"{key}={number}" for key, number in page(*parts[name])])
            link = f'<{path}?{kept}{where}>; rel="{name}"'
            left -= len(link) + 2
            if left >= 0:
                said.append(link)
    return ((b"link", ", ".join(said).encode()),) if said else ()
