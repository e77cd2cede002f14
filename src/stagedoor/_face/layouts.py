"""The layout of a screen: its inputs, fields and parts, checked before anything is there to serve them."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from stagedoor._aggregate.checks import fields_of
from stagedoor._aggregate.part import ABSENT, Argument, PlanError, PlanFinding, signature_of
from stagedoor._face.aggregates import FALLBACK, Aggregate
from stagedoor._face.declared import DeclaredPart
from stagedoor._face.fields import Cookie, Picker
from stagedoor._face.guards import Claimed, Guard, claimed_of, guard_of
from stagedoor._face.inputs import Input, already, input_of, is_model, nearest, twice, untaken
from stagedoor._face.markers import is_query, markers_of, well_marked
from stagedoor._face.places import place_of_code
from stagedoor._face.spelling import is_within
from stagedoor._face.templates import route_names
from stagedoor.errors import ConfigError

__all__ = ["Layout"]

M = TypeVar("M", bound=BaseModel)


class Layout(Generic[M]):
    """What is known of a screen before any service is: inputs, parts, rules. Raises `ConfigError`, `PlanError`."""

    def __init__(self, declared: Aggregate[M], prefix: str = "") -> None:
        self.declared = declared
        self.template = prefix + declared.path if declared.path else ""  # without a route of its own
        self.where = f"GET {self.template}" if self.template else declared.name
        self._findings: list[PlanFinding] = []
        if not declared.parts:
            raise ConfigError(f"{declared.place}: the screen {self.where} has no parts")
        self.path = route_names(self.template, str(declared.place)) if self.template else ()
        self.parts = {part.name: part for part in declared.parts}
        self.claimed: dict[str, Claimed] = {}
        self.inputs = self._inputs()
        self.guard = self._guard()
        self.fields = self._fields()
        self.required = self._required()
        self._tags()
        self._validate_no_findings()
        names = {one.name.lower() for one in self.inputs if one.place == "header"}
        crumbs = {one.name for one in self.inputs if one.place == "cookie"}
        self.vary = Picker({*declared.vary, *names, *map(Cookie, crumbs)}, str(declared.place))

    @property
    def values(self) -> dict[str, Any]:
        """Return the types of what parts are given from outside: inputs, and who asks."""
        return {
            **{one.argument: one.hint for one in self.inputs},
            **{one.argument: one.hint for one in self.claimed.values()},
        }

    def needs(self, part: DeclaredPart) -> list[str]:
        """Return the parts that a part takes."""
        return [one.name for one in self._arguments(part.function) if one.name in self.parts]

    def _arguments(self, function: Any) -> tuple[Argument, ...]:  # noqa: ANN401 - a function
        try:
            return well_marked(signature_of(function)).arguments
        except ConfigError as error:
            place = place_of_code(function)
            finding = PlanFinding(place.file, place.line, self.declared.name, function.__name__, str(error))
            raise PlanError([finding]) from error

    def _found(self, part: DeclaredPart, text: str) -> None:
        self._findings.append(
            PlanFinding(part.place.file, part.place.line, self.declared.name, part.name, text)
        )

    def _found_of_all(self, text: str) -> None:
        place = self.declared.place
        self._findings.append(PlanFinding(place.file, place.line, self.declared.name, "", text))

    def _found_near(self, near: str, text: str) -> None:
        """Note what is wrong with the screen, at the part that takes what was probably meant."""
        for part in self.declared.parts:
            if any(repr(one.name) in near for one in self._arguments(part.function)):
                self._found(part, text)
                return
        self._found_of_all(text)

    def _validate_no_findings(self) -> None:
        if self._findings:
            raise PlanError(self._findings)

    def _inputs(self) -> tuple[Input, ...]:
        """Return the inputs of all parts, each once."""
        found: dict[str, Input] = {}
        for part in self.declared.parts:
            for argument in self._arguments(part.function):
                if argument.name not in self.parts and not self._claim(part, argument):
                    self._input(part, argument, found)
        for one in twice(found.values()):
            self._found_of_all(f"argument {one.argument!r}: {already(one)}")
        if not self._findings:
            self._validate_path(found)
        return tuple(found.values())

    def _validate_path(self, found: Mapping[str, Input]) -> None:
        """Find what the path names that no part takes, or that is a part itself."""
        taken = {one.argument for one in found.values() if one.place == "path"}
        for name in self.path:
            if name in self.parts:
                self._found(self.parts[name], f"the path names {name!r}, which is this part too: rename one")
            elif name not in taken:
                near = untaken(name, found.values())
                self._found_near(near, f"the path names {name!r}, which no part takes{near}")

    def _input(self, part: DeclaredPart, argument: Argument, found: dict[str, Input]) -> None:
        name = argument.name
        one = input_of(argument, self.path)
        near = "" if is_query(argument.hint) else nearest(name, self.parts, 0.8)
        if argument.default is not ABSENT and not any(is_within(1, name, part) for part in self.parts):
            near = ""
        if one.place == "query" and is_model(argument.hint) and not is_query(argument.hint):
            self._found(part, f"argument {name!r} is a model but no part{nearest(name, self.parts)}")
        elif one.place == "query" and near:
            self._found(
                part,
                f"argument {name!r} is no part and would be an input{near} "
                "A query parameter is Annotated[..., Query()]",
            )
        elif name in found and not _same(found[name], one):
            self._found(part, f"input {name!r} has another type or default in another part")
        else:
            found.setdefault(name, one)
            try:
                _ = found[name].adapter
            except ConfigError as error:
                self._found(part, f"argument {name!r}: {error}")

    def _claim(self, part: DeclaredPart, argument: Argument) -> bool:
        """Note an argument that says who asks; tell whether it is one."""
        try:
            one = claimed_of(argument)
        except ConfigError as error:
            self._found(part, str(error))
            return True
        if one is None:
            return False
        if argument.name in self.path:
            self._found(part, f"argument {argument.name!r} is a name of the path, and names a guard")
        elif self.claimed.setdefault(argument.name, one).hint != one.hint:
            self._found(part, f"argument {argument.name!r} has another type or guard in another part")
        return True

    def _guard(self) -> Guard | None:
        try:
            return guard_of(self.declared.guard, self.claimed.values())
        except ConfigError as error:
            self._found_of_all(str(error))
            return None

    def _tags(self) -> None:
        """Find what tags and keys name that is no input."""
        inputs = [one.argument for one in self.inputs]
        for part in [None, *self.declared.parts]:
            cache = self.declared.cache if part is None else part.cache
            for name in sorted(() if cache is None else cache.names - set(inputs)):
                text = f"Cache(...) names {name!r}, which is no input here{nearest(name, inputs)}"
                if part is None:
                    self._found_of_all(text)
                else:
                    self._found(part, text)

    def _fields(self) -> dict[str, Any]:
        """Return the fields that parts or the summary fill; one that has neither needs a default."""
        everything = fields_of(self.declared.model)
        summary = self.declared.summarised
        filled = {*self.parts, *({summary.__name__} if summary else ())}
        for name, info in self.declared.model.model_fields.items():
            if name not in filled and info.is_required():
                near = nearest(name, filled - set(everything))
                self._found_of_all(f"the field {name!r} has no part and no default{near}")
        if summary is None and self.declared.completed is not None:
            self._found_of_all("delivered completes a summary, and there is none: say @screen.summary too")
        for part in self._idle():
            if part.name not in everything:
                near = nearest(part.name, everything)
                self._found(
                    part, f"is neither a field of {self.declared.model.__name__} nor used by a part{near}"
                )
        return {name: hint for name, hint in everything.items() if name in filled}

    def _idle(self) -> list[DeclaredPart]:
        """Return the parts that neither a part nor the summary takes."""
        summary = self.declared.summarised
        takers = [*(part.function for part in self.declared.parts), *((summary,) if summary else ())]
        taken = {argument.name for taker in takers for argument in self._arguments(taker)}
        return [part for part in self.declared.parts if part.name not in taken]

    def _required(self) -> frozenset[str]:
        """Return the parts without which there is no answer: fields without a default, and what only those need."""
        required = {
            name
            for name, info in self.declared.model.model_fields.items()
            if info.is_required() and name in self.parts
        }
        left = list(required)
        while left:
            for need in self.needs(self.parts[left.pop()]):
                if need not in self.fields and need not in required:
                    required.add(need)
                    left.append(need)
        return frozenset(required)

    def fallback(self, name: str) -> object:
        """Return what stands in for a part; ABSENT if nothing does."""
        info = self.declared.model.model_fields.get(name)
        if info is None or info.is_required():
            return ABSENT
        try:
            found = info.get_default(call_default_factory=True, validated_data={})
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise ConfigError(
                f"{self.declared.place}: {self.where}: the default of {name!r} cannot be made: {said}"
            ) from error
        return ABSENT if found is PydanticUndefined else found

    def tolerant(self, part: DeclaredPart) -> frozenset[str]:
        """Return the arguments that take the fallback of their part."""
        arguments = self._arguments(part.function)
        return frozenset(one.name for one in arguments if FALLBACK in markers_of(one.hint))

    def patience(self, part: DeclaredPart, weights: Mapping[str, int], budget: float) -> float | None:
        """Return the seconds that a part may take: its own, or what those that take its fallback leave for it."""
        if part.limit is not None or part.name in self.required:
            return part.limit
        takers = [one for one in self.declared.parts if part.name in self.tolerant(one)]
        if not takers:
            return None
        known: dict[str, int] = {}
        after = max(_chain(one.name, self._takers, weights, known) for one in takers)
        before = (
            _chain(part.name, lambda name: self.needs(self.parts[name]), weights, {}) - weights[part.name]
        )
        depth = self.depth(weights)
        return budget * max(weights[part.name], depth - before - after) / depth

    def _takers(self, name: str) -> list[str]:
        return [one.name for one in self.declared.parts if name in self.needs(one)]

    def depth(self, weights: Mapping[str, int]) -> int:
        """Return how many calls have to follow one another on the longest path."""
        known: dict[str, int] = {}

        def deep(name: str, above: frozenset[str]) -> int:
            if name in above:
                return 0  # a cycle, which the plan refuses
            if name not in known:
                before = [deep(need, above | {name}) for need in self.needs(self.parts[name])]
                known[name] = max(before, default=0) + weights.get(name, 1)
            return known[name]

        return max(1, *(deep(name, frozenset()) for name in self.parts))


def _chain(
    name: str, steps: Callable[[str], list[str]], weights: Mapping[str, int], known: dict[str, int]
) -> int:
    """Return how many calls have to follow one another from a part on, itself included."""
    if name not in known:
        known[name] = 0  # a cycle, which the plan refuses
        known[name] = weights[name] + max(
            (_chain(one, steps, weights, known) for one in steps(name)), default=0
        )
    return known[name]


def _same(one: Input, other: Input) -> bool:
    return one.hint == other.hint and (one.default is other.default or one.default == other.default)
