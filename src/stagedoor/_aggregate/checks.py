"""What must be true of an aggregate before its first request: pure checks on what was declared.

Each check yields findings and assumes nothing of the others, so that a start-up error tells everything at once.
"""

import copy
import difflib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, get_type_hints

from stagedoor._aggregate.hints import format_hint, is_assignable, is_instance
from stagedoor._aggregate.part import ABSENT, Argument, Part, PlanFinding, Signature, Summary

__all__ = ["REPORT", "Design", "NamedUpstream", "examine", "fields_of", "place_of"]

REPORT = "report"  # the argument in which a summary receives the Report


class NamedUpstream(Protocol):
    """What this module asks of an `Upstream`."""

    @property
    def name(self) -> str:
        """Return what it is called."""
        ...

    @property
    def policies(self) -> Sequence[object]:
        """Return its policies, outermost first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Everything declared of one aggregate, and what it will be given."""

    name: str
    fields: Mapping[str, Any]  # the model's fields and their types
    parts: tuple[Part, ...]
    summary: Summary | None
    signatures: Mapping[str, Signature]  # of parts and summary, by name
    sources: Mapping[str, object]
    values: Mapping[str, Any]  # the request's values and their types
    uses: Mapping[str, Sequence[NamedUpstream]] = field(
        default_factory=dict
    )  # upstreams that a part calls otherwise

    @property
    def by_name(self) -> dict[str, Part]:
        """Return the parts by their names."""
        return {part.name: part for part in self.parts}

    def needs(self, name: str) -> tuple[str, ...]:
        """Return the parts that a part takes as arguments."""
        parts = self.by_name
        arguments = self.signatures[name].arguments
        return tuple(argument.name for argument in arguments if argument.name in parts)

    def finding(self, part: Part | Summary, text: str) -> PlanFinding:
        """Return a finding at the part's function."""
        file, line = place_of(part.call)
        return PlanFinding(file, line, self.name, part.name, text)


def examine(design: Design) -> list[PlanFinding]:
    """Return everything that is wrong with a design, in the order of its parts."""
    found = [
        *_names(design),
        *_fields(design),
        *_values(design),
        *_arguments(design),
        *_fallbacks(design),
        *_tolerated(design),
    ]
    return found + (list(_cycles(design)) or [*_unused(design), *_weak_needs(design)])


def fields_of(model: type) -> dict[str, Any]:
    """Return the fields of a pydantic model or a dataclass, in order, with their types."""
    fields = getattr(model, "model_fields", None)
    if fields is not None:
        return {name: info.annotation for name, info in fields.items()}
    hints = get_type_hints(model)
    return {name: hints[name] for name in getattr(model, "__dataclass_fields__", ())}


def place_of(call: Callable[..., object]) -> tuple[str, int]:
    """Return file, from here if it is below, and line of a function."""
    code = inspect.unwrap(call).__code__
    file, here = Path(code.co_filename), Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file), code.co_firstlineno


def _names(design: Design) -> Iterator[PlanFinding]:
    """Find names that mean two things."""
    seen: set[str] = set()
    everything: tuple[Part | Summary, ...] = (*design.parts, *filter(None, (design.summary,)))
    for part in everything:
        if part.name in seen:
            yield design.finding(part, "a second part of this name")
        if part.name in design.sources or part.name in design.values:
            yield design.finding(part, "a source or a request value has the same name")
        seen.add(part.name)


def _fields(design: Design) -> Iterator[PlanFinding]:
    """Find fields of the model that nothing fills."""
    filled = {part.name for part in design.parts} | ({design.summary.name} if design.summary else set())
    for name in design.fields:
        if name not in filled:
            near = _nearest(name, filled - set(design.fields))
            yield PlanFinding(*_place_of_all(design), design.name, name, f"the field has no part{near}")
    if design.summary and design.summary.name not in design.fields:
        near = _nearest(design.summary.name, design.fields)
        yield design.finding(design.summary, f"the summary fills no field of the model{near}")


def _values(design: Design) -> Iterator[PlanFinding]:
    """Find parts whose value does not fit their field."""
    everything: tuple[Part | Summary, ...] = (*design.parts, *filter(None, (design.summary,)))
    for part in everything:
        wanted, given = design.fields.get(part.name, Any), design.signatures[part.name].returns
        if not is_assignable(given, wanted):
            yield design.finding(part, f"returns {format_hint(given)}, the field is {format_hint(wanted)}")


def _arguments(design: Design) -> Iterator[PlanFinding]:
    """Find arguments that are no part, request value or source, or not of its type."""
    parts = design.by_name
    for part in design.parts:
        for argument in design.signatures[part.name].arguments:
            yield from _argument(design, part, argument, {**parts, **design.values, **design.sources})
    if design.summary is not None:
        for argument in design.signatures[design.summary.name].arguments:
            if argument.name != REPORT:
                yield from _argument(design, design.summary, argument, {**parts, **design.values})


def _argument(
    design: Design, part: Part | Summary, argument: Argument, known: Mapping[str, object]
) -> Iterator[PlanFinding]:
    name = argument.name
    if name not in known:
        if argument.default is ABSENT:
            near = _nearest(name, known)
            yield design.finding(part, f"argument {name!r} is no part, request value or source{near}")
        return
    if name in design.sources:
        source = design.sources[name]
        if not is_instance(source, argument.hint):
            wanted, given = format_hint(argument.hint), type(source).__name__
            yield design.finding(part, f"argument {name!r} is {wanted}, the source is {given}")
        return
    given = design.values[name] if name in design.values else design.signatures[name].returns
    if not is_assignable(given, argument.hint):
        yield design.finding(
            part, f"argument {name!r} is {format_hint(argument.hint)}, but {name} is {format_hint(given)}"
        )


def _fallbacks(design: Design) -> Iterator[PlanFinding]:
    """Find fields that may stay empty, and fallbacks that are unreachable or of another type."""
    for part in design.parts:
        if part.required and part.fallback is not ABSENT:
            yield design.finding(part, "the fallback is unreachable: the part is required")
        elif part.fallback is not ABSENT:
            wanted = design.fields.get(part.name, design.signatures[part.name].returns)
            if not is_instance(part.fallback, wanted):
                yield design.finding(part, f"the fallback {part.fallback!r} is no {format_hint(wanted)}")
            yield from _uncopied(design, part)
        elif not part.required and part.name in design.fields:
            yield design.finding(part, "fills a field: say required=True, or give a fallback")


def _uncopied(design: Design, part: Part) -> Iterator[PlanFinding]:
    """Find a fallback of which no answer could have a copy of its own."""
    try:
        copy.deepcopy(part.fallback)
    except Exception as error:  # noqa: BLE001 - a value of somebody else's can break a copy in any way
        yield design.finding(part, f"the fallback {part.fallback!r} cannot be copied: {error}")


def _tolerated(design: Design) -> Iterator[PlanFinding]:
    """Find parts whose fallback is asked for and does not exist."""
    parts = design.by_name
    for part in design.parts:
        for need in sorted(part.tolerant):
            if need in parts and parts[need].fallback is ABSENT:
                yield design.finding(part, f"takes the fallback of {need!r}, which has none")


def _cycles(design: Design) -> Iterator[PlanFinding]:
    """Find a part that waits for itself."""
    done: set[str] = set()
    for part in design.parts:
        path = _cycle(design, part.name, (), done)
        if path:
            yield design.finding(part, f"waits for itself: {' → '.join(path)}")
            return


def _cycle(design: Design, name: str, path: tuple[str, ...], done: set[str]) -> tuple[str, ...]:
    """Return the cycle that a walk from a part runs into; `done` are the parts known to be free of one."""
    if name in path:
        return (*path[path.index(name) :], name)
    if name not in done:
        for need in design.needs(name):
            found = _cycle(design, need, (*path, name), done)
            if found:
                return found
        done.add(name)
    return ()


def _unused(design: Design) -> Iterator[PlanFinding]:
    """Find parts that neither fill a field nor help one that does."""
    used = {need for part in design.parts for need in design.needs(part.name)}
    if design.summary is not None:
        used |= set(design.needs(design.summary.name))
    for part in design.parts:
        if part.name not in design.fields and part.name not in used:
            yield design.finding(
                part, f"is neither a field nor used by a part{_nearest(part.name, design.fields)}"
            )


def _weak_needs(design: Design) -> Iterator[PlanFinding]:
    """Find optional parts that a required one waits for: their fallback could never be served."""
    parts = design.by_name
    for part in design.parts:
        for need in design.needs(part.name):
            if part.required and not parts[need].required and need not in part.tolerant:
                yield design.finding(
                    parts[need], f"the required part {part.name!r} depends on it: it must be required too"
                )


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that was probably meant."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _place_of_all(design: Design) -> tuple[str, int]:
    """Return the place of the first part: a field without a part has none of its own."""
    return place_of(design.parts[0].call)
