"""What is asked of a search engine, as values: no engine's words in it.

A `Query` is data: filter sets produce it, engines compile it with one `match` over the clauses. A field may be a
dotted path into objects of a list ("actors.id"): it matches if any of the objects does.

The order is always total: `Query` completes it with `id` ascending, so that pages never overlap or skip. Without a
requested order a query with a text match is ordered by relevance, any other by `id` alone. A value that is missing
sorts last in both directions; texts sort by code point.
"""

from typing import Any, Final, TypeAlias

from stagedoor._value import value

__all__ = [
    "ID",
    "MAX_WORDS",
    "WINDOW",
    "All",
    "AnyOf",
    "Begins",
    "Between",
    "Clause",
    "Document",
    "Either",
    "Exists",
    "Match",
    "Not",
    "Order",
    "Phrase",
    "Query",
    "Result",
    "Same",
    "Scalar",
    "Term",
    "Words",
    "texts_in",
    "texts_of",
]

WINDOW: Final = 10_000  # results beyond the 10,000th are not served, by any engine
MAX_WORDS: Final = 16  # words of a text after these are ignored (T9)
ID: Final = "id"  # the field that every document has, and that every order ends with

Scalar: TypeAlias = str | int | float | bool
"""A value that a field can be compared with."""
Document: TypeAlias = dict[str, Any]
"""A document as JSON has it, with its `id`."""


@value()
class Term:
    """The field has exactly this value, or has it among its values."""

    field: str
    value: Scalar


@value()
class AnyOf:
    """The field has at least one of these values; of none it has none."""

    field: str
    values: tuple[Scalar, ...]


@value()
class Between:
    """The field's number or date lies between the bounds, both inclusive; None leaves that side open.

    A missing one lies between no bounds. With both sides open this matches every document that has one.
    """

    field: str
    low: float | str | None = None
    high: float | str | None = None


@value()
class Match:
    """The text has at least one significant word in one of the fields, typing errors forgiven.

    `fields` are names with their weights. More words and exact words rank higher. Operators, wildcards and quotes
    are plain text; words after the 16th are ignored. A text without a significant word matches nothing.
    """

    fields: tuple[tuple[str, float], ...]
    text: str


@value()
class Begins:
    """The text has every word in one of the fields, as it is, of the last one the beginning: it is being typed.

    `fields` are names with their weights, as for `Match`. Texts that begin with all of it rank higher.
    """

    fields: tuple[tuple[str, float], ...]
    text: str


@value()
class Phrase:
    """The text has these words side by side and in this order, as they are: small words count, errors do not.

    Accents, capitals and signs do not matter. Words after the 16th are ignored; a text without words matches nothing.
    """

    field: str
    text: str


@value()
class Not:
    """The clause does not match."""

    clause: "Clause"


@value()
class Exists:
    """The field has a value: one that is not null, nor an empty list."""

    field: str


@value()
class Either:
    """At least one clause matches; of no clauses, nothing does."""

    clauses: tuple["Clause", ...] = ()


@value()
class Same:
    """One and the same object of a list meets all of these: `Term`, `AnyOf` and `Between` on its own fields."""

    path: str
    clauses: tuple["Term | AnyOf | Between", ...]


@value()
class All:
    """Every clause matches; of no clauses, everything does."""

    clauses: tuple["Clause", ...] = ()


Words: TypeAlias = Match | Begins
Clause: TypeAlias = Term | AnyOf | Between | Exists | Phrase | Match | Begins | Same | Not | Either | All
"""Something that a document matches or does not."""


@value()
class Order:
    """One sort key."""

    field: str
    descending: bool = False


@value(kw_only=True)
class Query:
    """One page of one index: what a search engine's transport takes as its payload.

    `order` is completed with `id`; keys after `id` say nothing and are dropped. `fields` narrows the documents of
    the answer to these top-level fields, () asks for all of them. `facets` are keywords whose values are counted over
    all matches. `offset + limit` is at most `WINDOW`, which whoever
    makes the query answers for: engines raise `ValueError` beyond it.
    """

    index: str
    clause: Clause = All()
    order: tuple[Order, ...] = ()
    offset: int = 0
    limit: int = 10
    fields: tuple[str, ...] = ()
    facets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.offset < 0 or self.limit < 0 or self.offset + self.limit > WINDOW:
            raise ValueError(f"offset {self.offset} and limit {self.limit} leave the window of {WINDOW}")

    @property
    def by_relevance(self) -> bool:
        """Whether the best match comes first: there is a text to match, and no order was asked for."""
        return not self.order and bool(texts_of(self.clause))

    def sort_keys(self) -> tuple[Order, ...]:
        """List the order as it will be used, each field once, ending with `id`; relevance is before it."""
        seen: dict[str, Order] = {}
        for key in (*self.order, Order(ID)):
            seen.setdefault(key.field, key)
            if key.field == ID:
                break
        return tuple(seen.values())


@value(kw_only=True)
class Result:
    """One page: the exact number of matches in all, the documents of this page in order, and what was counted.

    `facets` has, by keyword, its values with the number of matches that have each, most first.
    """

    total: int
    documents: tuple[Document, ...]
    facets: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()


def texts_of(clause: Clause) -> tuple[Words, ...]:
    """Return the text matches that a document must have, in order; what is negated ranks nothing."""
    match clause:
        case Match() | Begins():
            return (clause,)
        case All():
            return tuple(text for inner in clause.clauses for text in texts_of(inner))
        case _:
            return ()


def texts_in(clause: Clause) -> tuple[Words, ...]:
    """Return every text match in a clause, also those that are negated."""
    match clause:
        case Match() | Begins():
            return (clause,)
        case All():
            return tuple(text for inner in clause.clauses for text in texts_in(inner))
        case Either():
            return tuple(text for inner in clause.clauses for text in texts_in(inner))
        case Not():
            return texts_in(clause.clause)
        case _:
            return ()
