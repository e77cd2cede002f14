"""Pages of a list: which there are, and the links between them (RFC 8288)."""

from collections.abc import Callable, Mapping
from math import ceil
from typing import TypeAlias
from urllib.parse import quote, urlencode

from stagedoor.search.query import WINDOW
from stagedoor.value import value

__all__ = ["Paging", "Pairs", "list_fields"]

Pairs: TypeAlias = list[tuple[str, str]]


@value()
class Paging:
    """Where a page stands in its list. `offset` and `limit` count results."""

    offset: int
    limit: int
    total: int

    def offsets(self) -> Mapping[str, int]:
        """Return where the related pages begin; none of them leaves the window or the data."""
        offset, limit = self.offset, self.limit
        reach = min(self.total, WINDOW)
        last = max(0, min(ceil(reach / limit) - 1, WINDOW // limit - 1)) * limit
        found = {"first": 0}
        if offset > 0:
            found["prev"] = max(0, min(offset - limit, last))
        if offset + limit < self.total and offset + 2 * limit <= WINDOW:
            found["next"] = offset + limit
        if self.total:
            found["last"] = last
        return found


def list_fields(
    path: str, paging: Paging, parameters: Callable[[int], Pairs]
) -> tuple[tuple[bytes, bytes], ...]:
    """Return `X-Total-Count` and `Link` of a list; `parameters` spells those of the page at an offset."""
    links = [
        f'<{path}?{urlencode(parameters(offset), quote_via=quote)}>; rel="{name}"'
        for name, offset in paging.offsets().items()
    ]
    return (
        (b"x-total-count", b"%d" % paging.total),
        (b"link", ", ".join(links).encode()),
    )
