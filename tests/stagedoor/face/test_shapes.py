"""How an answer becomes a value, and what is garbled (P6)."""

import time
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from stagedoor import Gateway, Service
from stagedoor._face.shapes import is_json, odd_number, shape_of, written
from stagedoor._requests import HttpResponse
from stagedoor.errors import CircuitOpen, UpstreamGarbled
from stagedoor.testing import Stage


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


Pet: TypeAdapter[Cat | Dog] = TypeAdapter(Annotated[Cat | Dog, Field(discriminator="kind")])


def read(shape: Any, body: bytes, kind: bytes | None = b"application/json") -> Any:
    headers = () if kind is None else ((b"content-type", kind),)
    return shape_of(shape).read("pets.GET /", HttpResponse(status=200, headers=headers, body=body))


@pytest.mark.parametrize(
    "kind",
    [
        b"application/json",
        b"application/json;charset=utf-8",
        b"Application/JSON",
        b"application/problem+json",
        b"a/b+JSON ; x=y",
    ],
)
def test_json_goes_by_many_names(kind: bytes) -> None:
    """RFC 6839 3.1, RFC 9110 8.3.1."""
    assert is_json(kind)
    assert read(int, b"7", kind) == 7


def test_t18_an_answer_that_is_wrong_everywhere_is_told_by_how_often() -> None:
    """T18: each of a million faults was asked for, for the sake of the first, and seconds went by."""
    with pytest.raises(UpstreamGarbled, match=r"it is no list: at 20,002 places"):
        read(list[Cat], b"[" + b"{}," * 10_000 + b"{}]")


@pytest.mark.parametrize(
    "kind", [None, b"", b"text/html", b"application/jsonx", b"json", b"+json", b"text/json2"]
)
def test_what_is_no_json_is_garbled_by_its_type(kind: bytes | None) -> None:
    """The reason names the content type: mostly it is an error page."""
    with pytest.raises(UpstreamGarbled, match="it is not JSON but "):
        read(int, b"7", kind)


def test_a_byte_order_mark_is_no_fault() -> None:
    """RFC 8259 8.1: a reader may ignore it."""
    assert read(list[int], b"\xef\xbb\xbf[1]") == [1]


@pytest.mark.parametrize(
    ("shape", "body", "value"),
    [
        (dict[str, list[int]], b'{"a":[1]}', {"a": [1]}),
        (Pet, b'{"kind":"dog","name":"x"}', Dog(kind="dog", name="x")),
        (TypeAdapter(int | None), b"null", None),
        (date, b'"2026-01-05"', date(2026, 1, 5)),
        (Decimal, b"12.50", Decimal("12.5")),
        (Any, b'{"a":null}', {"a": None}),
    ],
)
def test_a_value_is_of_any_type_that_pydantic_knows(shape: Any, body: bytes, value: object) -> None:
    """Classes, generics, unions as TypeAdapter."""
    assert read(shape, body) == value


@pytest.mark.parametrize("digits", [1, 16, 19, 20, 400, 1_000])
@pytest.mark.parametrize("sign", ["", "-"])
def test_p6_integers_are_exact_up_to_a_thousand_digits(digits: int, sign: str) -> None:
    """P6: no double in between."""
    number = int(sign + "9" * digits)

    assert read(int, str(number).encode()) == number
    assert read(Any, b'{"a":[%d]}' % number) == {"a": [number]}


@pytest.mark.parametrize(
    "body",
    [
        b"9" * 1_001,
        b"[" + b"9" * 1_001 + b"]",
        b"NaN",
        b"[NaN]",
        b"Infinity",
        b'{"a":-Infinity}',
        b"1e999",
        b'{"a":{"b":[1,{"c":1e999}]}}',
        b"-1E+400",
        b"9" * 310 + b".5",
    ],
)
@pytest.mark.parametrize("shape", [Any, float, dict[str, Any], list[float]])
def test_p6_what_no_double_holds_is_garbled(body: bytes, shape: Any) -> None:
    """P6: at any depth, whatever the type would make of it."""
    with pytest.raises(UpstreamGarbled):
        read(shape, body)


@pytest.mark.parametrize(
    "body",
    [
        b'"NaN"',
        b'{"NaN":"1e999"}',
        b'"' + b"9" * 400 + b'"',
        b'{"' + b"9" * 2_000 + b'":"\\"' + b"9" * 2_000 + b'"}',
        b"1e300",
        b'"Infinity"',
    ],
)
def test_texts_that_look_like_such_numbers_are_texts(body: bytes) -> None:
    """Only a look costs something, and it finds nothing."""
    assert read(Any, body) is not None


@pytest.mark.parametrize("text", [b'\\"' * 1_000_000, b"a" * 1_000_000, b'"a\\' * 500_000])
def test_t10_a_long_text_without_an_end_is_looked_at_once(text: bytes) -> None:
    """T10: what is hostile costs as much as what is not."""
    body, start = b'"' + text + b"1" * 2_000, time.process_time()
    odd_number(body)

    assert time.process_time() - start < 1.0


def test_t10_numbers_of_a_thousand_digits_are_looked_at_once() -> None:
    """T10: at each of their digits the next thousand were counted, a third of a second for a megabyte."""
    body, start = b"[" + (b"1" * 1_000 + b",") * 8_000 + b"1]", time.process_time()
    assert odd_number(body) == ""
    assert odd_number(body.replace(b"1]", b"1" * 1_001 + b"]")) == "a number has more than 1,000 digits"

    assert time.process_time() - start < 2.0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "it is no Cat: Invalid JSON"),
        (b"", "it is no Cat: Invalid JSON"),
        (b"[]", "it is no Cat: Input should be an object"),
        (b'{"kind":"cat","lives":"secret"}', "it is no Cat: at lives: "),
        (b"\xff", "it is no Cat: Invalid JSON"),
        (b"[" * 100_000, "it is no Cat: Invalid JSON"),
    ],
)
def test_a_garbled_answer_says_its_first_fault_and_where(body: bytes, words: str) -> None:
    """With the place, and never with the value (T15)."""
    with pytest.raises(UpstreamGarbled) as caught:
        read(Cat, body)

    assert words in caught.value.detail
    assert "secret" not in caught.value.detail


async def test_a_garbled_answer_counts_for_the_breaker() -> None:
    """A service that makes no sense is as sick as one that is down; a refusal is none of it (C7)."""
    app = Gateway("shop", deadline=1.0)
    pets = app.service("pets")
    app.proxy("/pets", pets)

    async with Stage(app) as stage, stage.running.request():
        stage[pets].says({"kind": "cat"})
        for _ in range(30):
            with pytest.raises(UpstreamGarbled):
                await stage.run(pets.get(Cat, "/cat"))
            if is_given_up(stage, pets):
                break

        with pytest.raises(CircuitOpen):
            await stage.run(pets.get(Cat, "/cat"))


def is_given_up(stage: Stage, service: Service) -> bool:
    remote = stage.running.remote(service)
    return any(getattr(layer, "state", "") == "open" for layer in remote.upstream.layers)


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://user:secret@host/login?token=secret#x", "answered 302 to https://host/login"),
        ("https://user:se@cret@host/login", "answered 302 to https://host/login"),
        ("//user:secret@host/login", "answered 302 to //host/login"),
        ("/\\user:secret@host/login", "answered 302 to /\\host/login"),
        ("https:user:secret@host/login", "answered 302 to https:host/login"),
        ("https:///user:secret@host/login", "answered 302 to https:///host/login"),
        ("/@someone/login", "answered 302 to /@someone/login"),
        ("/login?token=secret", "answered 302 to /login"),
        (None, "answered 302"),
    ],
)
async def test_a_redirect_is_garbled_and_names_where_it_leads(location: str | None, told: str) -> None:
    """T21: scheme, host and path; a query may hold secrets, and so may user info."""
    app = Gateway("shop", deadline=1.0)
    pets = app.service("pets")
    app.proxy("/pets", pets)
    async with Stage(app) as stage, stage.running.request():
        stage[pets].says({}, status=302, headers={} if location is None else {"location": location})
        with pytest.raises(UpstreamGarbled) as caught:
            await stage.run(pets.get(Cat, "/cat"))

        assert caught.value.detail == told


def test_bodies_are_written_by_their_types() -> None:
    """Models by aliases, dates, decimals, sets; what has no JSON form is a mistake in the code."""
    assert (
        written({"a": date(2026, 1, 5), "b": Decimal("1.50"), "c": {1}})
        == b'{"a":"2026-01-05","b":"1.50","c":[1]}'
    )
    with pytest.raises(TypeError, match="json: "):
        written(object())
