"""What is documented is what is sent: a screen's body is written by the model that its document describes."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import jsonschema_rs
import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    RootModel,
    SerializeAsAny,
    computed_field,
    field_serializer,
)

from stagedoor import Cache, Gateway
from stagedoor._aggregate import Report
from stagedoor.errors import ConfigError
from stagedoor.testing import Stage

T = TypeVar("T")


class Colour(Enum):
    RED = "red"


class Size(IntEnum):
    BIG = 3


class Cat(BaseModel):
    lives: int


class Dog(BaseModel):
    name: str


class Tags(RootModel[list[str]]):
    """A list with a name."""


class Rich(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", ser_json_timedelta="iso8601")

    named: str = Field(serialization_alias="Named")
    amount: Decimal
    day: date
    moment: datetime
    clock: time
    span: timedelta
    url: HttpUrl
    address: IPv4Address
    raw: bytes
    letters: set[str]
    colour: Colour
    sizes: dict[Size, int]
    days: dict[date, Colour]
    pet: Cat | Dog
    pets: list[SerializeAsAny[Cat]]
    key: UUID
    path: PurePosixPath
    tags: Tags
    nothing: None = None
    secret: str = Field(exclude=True, default="s")
    upper: str

    @field_serializer("upper")
    def shout(self, said: str) -> str:
        return said.upper()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def total(self) -> int:
        return len(self.letters)


VALUE = Rich(
    named="n",
    amount=Decimal("12.50"),
    day=date(2026, 1, 5),
    moment=datetime(2026, 1, 5, 10, tzinfo=UTC),
    clock=time(10, 30),
    span=timedelta(hours=1),
    url=HttpUrl("https://example.com/a"),
    address=IPv4Address("192.0.2.1"),
    raw=b"\x00\xff",
    letters={"x"},
    colour=Colour.RED,
    sizes={Size.BIG: 1},
    days={date(2026, 1, 5): Colour.RED},
    pet=Dog(name="rex"),
    pets=[Cat(lives=9)],
    key=UUID(int=1),
    path=PurePosixPath("/a/b"),
    tags=Tags(["a"]),
    upper="u",
)


class Wrapped(BaseModel):
    rich: Rich = Field(serialization_alias="Rich")
    listed: list[Rich]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def count(self) -> int:
        return len(self.listed)


def shop() -> Gateway:
    app = Gateway("shop")
    screen = app.aggregate("/screen", Wrapped, cache=Cache(max_age=60))

    @screen.part
    async def rich() -> Rich:
        return VALUE

    @screen.part
    async def listed() -> list[Rich]:
        return [VALUE]

    @app.get("/handler")
    async def handler() -> Rich:
        return VALUE

    @app.get("/plain")
    async def plain() -> dict[Size, set[Decimal]]:
        return {Size.BIG: {Decimal("1.5")}}

    return app


@pytest.mark.parametrize("path", ["/screen", "/handler", "/plain"])
async def test_a_body_is_what_its_document_says(path: str) -> None:
    """G9: held against the published schema, by a validator that is not ours."""
    async with Stage(shop()) as stage:
        answer = await stage.get(path)
        document = (await stage.get("/openapi.json")).read(dict[str, Any])
        schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        validator = jsonschema_rs.validator_for({**schema, "components": document["components"]})

        assert answer.status == 200, answer.body
        assert [error.message for error in validator.iter_errors(answer.read(Any))] == []


async def test_a_screen_is_written_as_the_model_itself_would_be() -> None:
    """Aliases, computed fields and serializers: byte for byte, kept or fresh."""
    wanted = Wrapped(rich=VALUE, listed=[VALUE]).model_dump_json(by_alias=True).encode()
    async with Stage(shop()) as stage:
        first, again = await stage.get("/screen"), await stage.get("/screen")

        assert first.body == wanted
        assert (again.body, again.parts["rich"]) == (wanted, "cached")


@pytest.mark.parametrize("digits", [30, 1_000])
async def test_p6_large_integers_go_through_a_screen_exactly(digits: int) -> None:
    """P6: from the service to the client, and out of the cache."""

    class Number(BaseModel):
        value: int

    class Page(BaseModel):
        number: Number
        anything: Any = None

    app = Gateway("shop")
    numbers = app.service("numbers")
    page = app.aggregate("/page", Page, cache=Cache(max_age=60))

    @page.part
    async def number() -> Number:
        return await numbers.get(Number, "/number")

    @page.part
    async def anything(number: Number) -> Any:
        return await numbers.get(Any, "/any/{}", number.value)

    wanted = int("7" * digits)
    async with Stage(app) as stage:
        stage[numbers].says(b'{"value":%d}' % wanted)
        bodies = [(await stage.get("/page")).body for _ in range(2)]

        assert bodies == [b'{"number":{"value":%d},"anything":{"value":%d}}' % (wanted, wanted)] * 2


class Loose(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    one: Any = "default"
    two: str = "two"


def loose(value: object) -> Gateway:
    app = Gateway("shop")
    screen = app.aggregate("/screen", Loose)

    @screen.part
    async def one() -> Any:
        return value

    @screen.part
    async def two() -> str:
        return "here"

    return app


@pytest.mark.parametrize("value", [object(), {"deep": [object()]}, "\ud800"])
async def test_a_value_without_a_json_form_is_the_failure_of_its_part(value: object) -> None:
    """Its fallback stands in, and nobody sees a 500 for the page."""
    async with Stage(loose(value)) as stage:
        answer = await stage.get("/screen")

        assert answer.read(dict[str, str]) == {"one": "default", "two": "here"}
        assert "one=fallback;reason=garbled" in answer.header("stagedoor-parts")
        assert answer.header("cache-control") == "no-store"


async def test_a_required_value_without_a_json_form_is_a_502_with_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log names the part and why."""

    class Strict(BaseModel):
        one: Any

    app = Gateway("shop")
    screen = app.aggregate("/screen", Strict)

    @screen.part
    async def one() -> Any:
        return object()

    async with Stage(app) as stage:
        answer = await stage.get("/screen")

        assert answer.status == 502
        assert "strict.one: its value has no JSON form: " in caplog.text


class Told(BaseModel):
    parts: Annotated[dict[str, str], Field(description="how each part fared")]
    cached: bool
    answered: int


class Summed(BaseModel):
    head: str
    tail: str = "-"
    summary: Told


async def test_a_summary_is_made_of_parts_inputs_and_the_report() -> None:
    """In the body, where the model has a place for it; a plain function."""
    app = Gateway("shop")
    tails = app.service("tails")
    screen = app.aggregate("/{name}", Summed, cache=Cache(max_age=60))

    @screen.part
    async def head(name: str) -> str:
        return name

    @screen.part
    async def tail() -> str:
        return await tails.get(str, "/")

    @screen.summary
    def summary(name: str, head: str, report: Report) -> Told:
        told = {part: verdict.status for part, verdict in report.verdicts.items()}
        return Told(parts={**told, name: head}, cached=report.cached, answered=report.answered)

    async with Stage(app) as stage, stage.running.request():
        stage[tails].fails().fails().says("t")
        partial, whole, kept = [(await stage.get("/a")).read(Summed) for _ in range(3)]
        result = await stage.run(screen.run(name="a"))

        assert partial.summary == Told(
            parts={"head": "fresh", "tail": "fallback", "a": "a"}, cached=False, answered=1
        )
        assert whole.summary == kept.summary == result.value.summary
        assert whole.summary.answered == 2


class Envelope(BaseModel, Generic[T]):
    item: T
    pages: int = 1


async def test_a_screen_may_be_a_generic_model_with_its_arguments() -> None:
    """Its name, `Envelope[Cat]`, was refused at start as that of an upstream that nobody declared."""
    app = Gateway("shop")
    screen = app.aggregate("/envelope", Envelope[Cat], cache=Cache(max_age=60))

    @screen.part
    async def item() -> Cat:
        return Cat(lives=9)

    async with Stage(app) as stage:
        answers = [await stage.get("/envelope") for _ in range(2)]
        document = (await stage.get("/openapi.json")).read(dict[str, Any])

    assert [one.read(Envelope[Cat]) for one in answers] == [Envelope[Cat](item=Cat(lives=9))] * 2
    schema = document["paths"]["/envelope"]["get"]["responses"]["200"]["content"]["application/json"][
        "schema"
    ]
    assert schema == {"$ref": "#/components/schemas/Envelope_Cat_"}


def test_a_default_that_cannot_be_made_is_told_at_start_with_its_place() -> None:
    """G3: what a factory raises named neither the screen nor the field."""

    class Broken(BaseModel):
        one: list[int] = Field(default_factory=lambda: [1 // 0])

    app = Gateway("shop")
    screen = app.aggregate("/broken", Broken)

    @screen.part
    async def one() -> list[int]:
        return []

    said = r"test_rendering\.py:\d+: GET /broken: the default of 'one' cannot be made: ZeroDivisionError"
    with pytest.raises(ConfigError, match=said):
        app.made()
