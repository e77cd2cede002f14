"""Filter sets: one declaration gives parsing, validation, documentation and the query."""

from stagedoor.search.filters.declared import Window
from stagedoor.search.filters.fields import (
    EitherFilter,
    ExistsFilter,
    Filter,
    FlagFilter,
    InFilter,
    NotInFilter,
    PhraseFilter,
    PrefixFilter,
    RangeFilter,
    SameFilter,
    SearchFilter,
)
from stagedoor.search.filters.pages import (
    FacetFilter,
    LimitFilter,
    LimitOffsetFilter,
    OrderingField,
    OrderingFilter,
    PageNumberFilter,
)
from stagedoor.search.filters.sets import FilterSet, given_by
from stagedoor.search.values import ValueParameter

__all__ = [
    "AsyncFilterSet",
    "EitherFilter",
    "ExistsFilter",
    "FacetFilter",
    "Filter",
    "FilterSet",
    "FlagFilter",
    "InFilter",
    "LimitFilter",
    "LimitOffsetFilter",
    "NotInFilter",
    "OrderingField",
    "OrderingFilter",
    "PageNumberFilter",
    "PhraseFilter",
    "PrefixFilter",
    "RangeFilter",
    "SameFilter",
    "SearchFilter",
    "ValueParameter",
    "Window",
    "given_by",
]

AsyncFilterSet = FilterSet  # the name it has in frameworks that have a blocking one too
